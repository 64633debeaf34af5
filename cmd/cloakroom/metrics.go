package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// metricsServer answers Prometheus on its own listeners. A nil *metricsServer does nothing.
type metricsServer struct {
	registry  *prometheus.Registry
	listeners []net.Listener
}

// openMetrics listens on --metrics-listen; it returns nil if the flag is not given.
func (s *settings) openMetrics(ctx context.Context) (*metricsServer, error) {
	if s.MetricsListen == "" {
		return nil, nil
	}
	p, err := parseListenAddr(ctx, "--metrics-listen", s.MetricsListen)
	if err != nil {
		return nil, err
	}
	listeners, err := p.listen(ctx)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &metricsServer{registry, listeners}, nil
}

// registerer returns the registry for the server's metrics; nil if there are none.
func (m *metricsServer) registerer() prometheus.Registerer {
	if m == nil {
		return nil
	}
	return m.registry
}

// handler answers GET /metrics in the format that Prometheus asks for. It needs no credential: every program that can connect
// to the listener may read the metrics. They name no user.
func (m *metricsServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	return mux
}

// serve answers until ctx ends.
func (m *metricsServer) serve(ctx context.Context, log *slog.Logger) error {
	if m == nil {
		return nil
	}
	server := &http.Server{
		Handler: m.handler(), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Prometheus will ask again
	defer stop()
	var g errgroup.Group
	for _, l := range m.listeners {
		log.LogAttrs(ctx, slog.LevelInfo, "metrics", slog.String("address", "http://"+l.Addr().String()+"/metrics"))
		g.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("answer Prometheus on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (m *metricsServer) close() {
	if m != nil {
		closeAll(m.listeners)
	}
}

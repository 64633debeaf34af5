package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/internal/metrics"
)

// metricsServer answers Prometheus on listeners of its own. A nil one does nothing.
type metricsServer struct {
	metrics   *metrics.Metrics
	listeners []net.Listener
}

// openMetrics listens where --metrics-listen says; nil if that is nowhere.
func (s *settings) openMetrics(ctx context.Context) (*metricsServer, error) {
	if s.MetricsListen == "" {
		return nil, nil
	}
	p, err := parsePlace(ctx, "--metrics-listen", s.MetricsListen)
	if err != nil {
		return nil, err
	}
	listeners, err := p.listen(ctx)
	if err != nil {
		return nil, err
	}
	return &metricsServer{metrics.New(), listeners}, nil
}

// measures is what the server is to measure with; nil: nothing.
func (m *metricsServer) measures() *metrics.Metrics {
	if m == nil {
		return nil
	}
	return m.metrics
}

// serve answers until ctx ends.
func (m *metricsServer) serve(ctx context.Context, log *slog.Logger) error {
	if m == nil {
		return nil
	}
	server := &http.Server{
		Handler: m.metrics.Handler(), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // whoever is reading can ask again
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

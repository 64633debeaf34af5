package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
	"golang.org/x/sync/errgroup"
)

type serveCmd struct {
	settings
}

func (serveCmd) Help() string {
	return `Creates the data directory at the first start, and brings the database up to date at every start. While there is no
user, it gives a one-time link on which you create the first administrator. It prints the link if the output is a
terminal; otherwise it writes the link to the file setup-link in the data directory.

Examples:
  cloakroom serve
  cloakroom serve --listen localhost:9000 --origin http://localhost:3000
  cloakroom serve --listen 0.0.0.0:8000 --url https://app.example.com --trusted-proxy 10.0.0.5
  cloakroom serve --app ./dist --upstream http://127.0.0.1:3000
  cloakroom serve --app ./dist --upstream /api=http://127.0.0.1:3000 --rule 'public GET /api/products/*' \
    --listen :443 --url https://app.example.com --tls-cert fullchain.pem --tls-key privkey.pem

Ctrl-C or SIGTERM stops the server once the requests in flight are answered; a second Ctrl-C stops it at once.`
}

const (
	headerTimeout  = 10 * time.Second
	requestTimeout = 30 * time.Second // to read one
	answerTimeout  = time.Minute      // to read a request, and to send its answer
	idleTimeout    = 2 * time.Minute  // between two requests of a connection
	stopTimeout    = 20 * time.Second // for the requests in flight when the server stops

	// maxHeader bounds a request's header, in bytes; net/http adds 4 KiB. A browser with more cookies gets 431.
	maxHeader = 64 << 10
)

func (c *serveCmd) Run(ctx context.Context, a *app) error {
	defer delayCollections()()
	ctx = audit.WithActor(ctx, "") // requests have actors of their own
	log := c.logger(a.err)
	listeners, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	for _, name := range unknownVariables(os.Environ()) { // such as a slip in CLOAKROOM_SECOND_FACTOR
		log.LogAttrs(ctx, slog.LevelWarn, "a variable is not a setting of this program, so it has no effect", slog.String("variable", name))
	}
	var pair *certificate
	if c.TLSCert != "" {
		if pair, err = loadCertificate(c.TLSCert, c.TLSKey, log); err != nil {
			return err
		}
	}
	metrics, err := c.openMetrics(ctx)
	if err != nil {
		return err
	}
	defer metrics.close()
	config := c.config(a, c.publicURL(portOf(listeners[0])), log)
	config.Metrics = metrics.registerer()
	s, err := cloakroom.New(ctx, config)
	if err != nil {
		return err
	}
	log = s.Log
	info, err := newStartupInfo(ctx, s, config, listeners)
	if err == nil {
		err = a.announce(ctx, info, s)
	}
	if err == nil {
		err = c.serve(ctx, a, s, listeners, pair, metrics, log)
	}
	return errors.Join(err, s.Close())
}

// open checks the settings and opens the listeners, unless systemd passes them.
func (c *serveCmd) open(ctx context.Context, a *app) ([]net.Listener, error) {
	given, err := systemdListeners()
	if err != nil {
		return nil, err
	}
	for _, l := range given {
		c.Listen = l.Addr().String()
		if _, err := c.preflight(ctx, a); err != nil {
			closeAll(given)
			return nil, err
		}
	}
	if len(given) > 0 {
		c.Listen = given[0].Addr().String()
		return given, nil
	}
	where, err := c.preflight(ctx, a)
	if err != nil {
		return nil, err
	}
	return where.listen(ctx)
}

// serve answers requests until ctx ends, and then those in flight. pair is nil for plain http.
func (c *serveCmd) serve(ctx context.Context, a *app, s *cloakroom.Server, listeners []net.Listener, pair *certificate, metrics *metricsServer, log *slog.Logger) error {
	handler := &closingHandler{Handler: s.Handler(nil)}
	server := &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
	}
	if pair != nil {
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	}
	// Background work goes on until the last request is answered.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	asked := ctx
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error {
			if err := listenAndServe(server, l, pair); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("listen on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	g.Go(func() error { return s.Run(background) })
	g.Go(func() error { return metrics.serve(background, log) })
	g.Go(func() error {
		<-ctx.Done()
		s.Audit.Record(ctx, audit.SysKinds.Shutdown, slog.String("reason", context.Cause(ctx).Error()))
		a.printStopping(c.StopDelay)
		s.MarkUnready()
		handler.closing.Store(true)
		if asked.Err() != nil { // otherwise something failed, and waiting would not help
			time.Sleep(c.StopDelay)
		}
		s.Drain()
		shutdown(server, log)
		stopBackground()
		return nil
	})
	return g.Wait()
}

// listenAndServe speaks https, with HTTP/2 and HTTP/1.1, if there is a certificate.
func listenAndServe(server *http.Server, l net.Listener, pair *certificate) error {
	if pair != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
)

// closingHandler answers with Connection: close once closing is set, so that clients send their next request over another
// connection. Otherwise the server could close the connection while a request is on its way.
type closingHandler struct {
	http.Handler
	closing atomic.Bool
}

func (h *closingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.closing.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	h.Handler.ServeHTTP(w, r)
}

// shutdown stops accepting, and waits for the requests in flight.
func shutdown(server *http.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "requests cut off", slog.Duration("after", stopTimeout), slog.Any("error", err))
		_ = server.Close() // the process is about to end
	}
}

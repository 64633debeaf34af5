package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
)

// leaving is a handler whose clients are told, from now on, to send their next request over another connection: this one
// might else be closed just as a request is on its way.
type leaving struct {
	http.Handler
	now atomic.Bool
}

func (l *leaving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.now.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	l.Handler.ServeHTTP(w, r)
}

// finish stops accepting, and waits for the requests in flight.
func finish(server *http.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "requests cut off", slog.Duration("after", stopTimeout), slog.Any("error", err))
		_ = server.Close() // there is nobody left to tell
	}
}

package httpapi

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
)

type statusOut struct {
	Status string `json:"status"`
}

// alive says that the process runs, whatever the store does: restarting it would not help.
func alive(*API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, statusOut{"ok"})
	})
}

// ready says whether requests are welcome: the store can be read and written, and the server isn't stopping.
func ready(a *API) http.Handler {
	health := &health{ask: a.Healthy}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			refuse(w, r, errStopping)
			return
		}
		if err := health.check(r.Context()); err != nil {
			a.Log.LogAttrs(r.Context(), slog.LevelError, "not ready", slog.Any("error", err))
			refuse(w, r, auth.Unavailable(r.Context()))
			return
		}
		writeJSON(w, http.StatusOK, statusOut{"ok"})
	})
}

// health asks at most once a second: the question costs a write, and strangers can put it.
type health struct {
	ask   func(context.Context) error
	mu    sync.Mutex
	asked time.Time
	err   error
}

func (h *health) check(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.asked) < time.Second {
		return h.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	h.err = h.ask(ctx)
	h.asked = time.Now()
	return h.err
}

//go:embed openapi.yaml
var openAPIDocument []byte

func openAPI(*API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
		_, _ = w.Write(openAPIDocument)
	})
}

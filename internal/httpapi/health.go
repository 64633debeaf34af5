package httpapi

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

type statusOut struct {
	Status string `json:"status"`
}

// alive answers that the process runs. It doesn't check the stores, because a restart wouldn't help them.
func alive(*API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, statusOut{"ok"})
	})
}

// ready answers whether load balancers should send requests: the stores can be read and written, and the server isn't stopping.
func ready(a *API) http.Handler {
	health := &health{check: a.Healthy}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			refuse(w, r, errStopping)
			return
		}
		if err := health.recent(r.Context()); err != nil {
			a.Log.LogAttrs(r.Context(), slog.LevelError, "not ready", slog.Any("error", err))
			refuse(w, r, problem.Unavailable(r.Context()))
			return
		}
		writeJSON(w, http.StatusOK, statusOut{"ok"})
	})
}

// health calls check at most once a second, because check writes to the store and any client can request it.
type health struct {
	check   func(context.Context) error
	mu      sync.Mutex
	checked time.Time
	err     error
}

// recent returns the result of a check that is at most a second old.
func (h *health) recent(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.checked) < time.Second {
		return h.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	h.err = h.check(ctx)
	h.checked = time.Now()
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

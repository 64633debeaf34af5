package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// Passive reports whether a request doesn't count as a use of its session: it has slide=false in the query, or it opens the
// event stream, which an unattended page keeps open as well. Use it as session.Manager.Passive.
func Passive(r *http.Request) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Get("slide") == "false" || withoutSlash(r.URL.EscapedPath()) == eventsPath
}

const eventsPath = "/api/auth/events"

var (
	errTooManyStreams = &problem.Problem{Status: http.StatusTooManyRequests, Code: "too_many_streams", RetryAfter: 5 * time.Second,
		Detail: fmt.Sprintf("This session has %d events streams open already. Share one between tabs.", events.MaxPerSession)}
	errFull = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "busy", RetryAfter: 30 * time.Second,
		Detail: "Too many pages are connected to this server. Try again shortly."}
	errStopping = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "stopping", RetryAfter: time.Second,
		Detail: "The server is stopping."}
)

// streamEvents notifies a page of changes to its session by server-sent events (HTML Standard, section 9.2). The stream is open
// until the session ends, the client disconnects, or the server stops.
func streamEvents(a *API) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{api: a, w: w, r: r}
		if err := c.stream(); err != nil {
			c.recordRefusal(err)
			a.fail(w, r, err)
		}
	})
}

// stream keeps the request open. It returns an error only if nothing was sent.
func (c *call) stream() error {
	if err := c.api.CSRF.CheckOrigin(c.r); err != nil {
		return err
	}
	var err error
	if c.who, err = c.identify(); err != nil {
		return err
	}
	if err := c.who.CheckSession(); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // otherwise nginx would buffer the events
	// Otherwise programs that compress would keep the events until their buffer is full: webpack-dev-server does.
	h.Set("Cache-Control", "no-store, no-transform")
	if c.r.Method == http.MethodHead {
		return nil
	}
	p := newPage()
	watch, err := c.api.Live.Open(c.ctx(), c.who, p)
	if err != nil {
		h.Del("X-Accel-Buffering")
		h.Set("Cache-Control", "no-store")
		return streamRefusal(err)
	}
	p.serve(c.w, c.r, watch.Close)
	return nil
}

func streamRefusal(err error) error {
	switch {
	case errors.Is(err, events.ErrTooMany):
		return errTooManyStreams
	case errors.Is(err, events.ErrFull):
		return errFull
	case errors.Is(err, events.ErrStopping):
		return errStopping
	}
	return err
}

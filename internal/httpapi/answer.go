package httpapi

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// Answer is what became of a request.
type Answer struct {
	// Route is the path of the row in the table of routes, such as /api/auth/sessions/{id}; "pages", "authz" for other proxies,
	// "unknown" for other paths under our prefixes, or "application".
	Route  string
	Status int   // 101 for a WebSocket; 0: none was sent, because the connection was cut
	Bytes  int64 // of the body, as the handler wrote it; 0 for a WebSocket
	Began  time.Time
	Stream bool // an event stream or a WebSocket: it lasts until the client or the server ends it
}

// answered calls Answered.
func (a *API) answered(r *http.Request, o *observed, began time.Time) {
	answer := Answer{Route: a.routeOf(r), Status: o.status, Bytes: o.bytes, Began: began}
	answer.Stream = o.hijacked || answer.Route == eventsPath && o.status == http.StatusOK
	if o.hijacked && answer.Route == eventsPath {
		answer.Status = http.StatusOK
	}
	a.Answered(r, answer)
}

// routeOf returns the Route of a request's Answer.
func (a *API) routeOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	switch {
	case a.Authz != nil && under(path, "/api/authz"):
		return "authz"
	case a.Pages != nil && a.Pages.Match(path):
		return "pages"
	}
	if all := a.index.matching(path); all != nil {
		if t := routes[all[0]]; t.path != relatedOriginsPath || len(a.RelatedOrigins) > 0 {
			return t.path
		}
	}
	if ours(path) || ours(r.URL.Path) {
		return "unknown"
	}
	return "application"
}

// observed notes the status and the length of an answer. Handlers reach everything else with http.ResponseController.
type observed struct {
	http.ResponseWriter
	status   int
	bytes    int64
	hijacked bool
}

func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// note keeps the first status, which is the one that is sent.
func (o *observed) note(status int) {
	if o.status == 0 {
		o.status = status
	}
}

func (o *observed) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		o.note(status)
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(b []byte) (int, error) {
	o.note(http.StatusOK)
	n, err := o.ResponseWriter.Write(b)
	o.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that files are still sent by the system.
func (o *observed) ReadFrom(from io.Reader) (int64, error) {
	o.note(http.StatusOK)
	n, err := io.Copy(o.ResponseWriter, from)
	o.bytes += n
	return n, err
}

// Hijack implements http.Hijacker. It can only be called before anything is written.
func (o *observed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(o.ResponseWriter).Hijack()
	if err == nil {
		o.status, o.hijacked = http.StatusSwitchingProtocols, true
	}
	return conn, buffered, err
}

// Flush implements http.Flusher, for the application's handlers.
func (o *observed) Flush() {
	o.note(http.StatusOK)
	_ = http.NewResponseController(o.ResponseWriter).Flush()
}

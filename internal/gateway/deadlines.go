package gateway

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// deadlines replaces the server's limits on the duration of a request by limits on each pause within it.
type deadlines struct {
	rc    *http.ResponseController
	h2    bool
	stall time.Duration // the longest pause within a body, in either direction

	mu    sync.Mutex
	over  bool // the connection is no longer this request's
	cut   bool // nothing more is read
	moved time.Time
}

// newDeadlines lifts the server's limit on the answer. HTTP/2 would enforce it by ending the stream, even while there is
// nothing to write yet.
func newDeadlines(w http.ResponseWriter, major int, stall time.Duration) *deadlines {
	p := &deadlines{rc: http.NewResponseController(w), h2: major >= 2, stall: stall}
	_ = p.rc.SetWriteDeadline(time.Time{})
	return p
}

// reading gives the client the time stall to send more; with false, nothing more is expected. A writer without deadlines,
// such as a recorder in a test, has none.
func (p *deadlines) reading(more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.over || p.cut:
	case !more:
		_ = p.rc.SetReadDeadline(time.Time{})
	case now.Sub(p.moved) > p.stall/60:
		p.moved = now
		_ = p.rc.SetReadDeadline(now.Add(p.stall))
	}
}

// stop ends a read that waits for the client, and makes every later read fail.
func (p *deadlines) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.cut = true
		_ = p.rc.SetReadDeadline(time.Unix(1, 0))
	}
}

// writing gives the client the time stall to receive what f writes.
func (p *deadlines) writing(f func() error) error {
	_ = p.rc.SetWriteDeadline(time.Now().Add(p.stall))
	err := f()
	if p.h2 {
		// HTTP/2 ends the stream at the deadline even if there is nothing to write.
		_ = p.rc.SetWriteDeadline(time.Time{})
	}
	return err
}

// end returns the connection to the server. The client has the time stall to receive the last bytes.
func (p *deadlines) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	_ = p.rc.SetWriteDeadline(time.Now().Add(p.stall))
}

// answer is the ResponseWriter to which an upstream's answer is copied. Headers that we have set already stay.
type answer struct {
	http.ResponseWriter
	deadlines *deadlines
	header    http.Header // the upstream's
	begun     bool
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) Header() http.Header { return a.header }

// WriteHeader drops informational (1xx) answers: net/http would send the headers set so far with them.
func (a *answer) WriteHeader(status int) {
	if status < 200 || a.begun {
		return
	}
	a.begun = true
	real := a.ResponseWriter.Header()
	for name, values := range a.header {
		switch {
		case name == "Vary":
			real[name] = append(real[name], values...)
		case real[name] == nil:
			real[name] = values
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (n int, err error) {
	a.WriteHeader(http.StatusOK)
	return n, a.deadlines.writing(func() error {
		n, err = a.ResponseWriter.Write(b)
		return err
	})
}

func (a *answer) FlushError() error {
	a.WriteHeader(http.StatusOK)
	return a.deadlines.writing(a.deadlines.rc.Flush)
}

// trailers passes the trailers on.
func (a *answer) trailers() {
	if !a.begun {
		return
	}
	announced := a.header["Trailer"]
	for name, values := range a.header {
		if strings.HasPrefix(name, http.TrailerPrefix) || announced != nil && hasToken(announced, name) {
			a.ResponseWriter.Header()[name] = values
		}
	}
}

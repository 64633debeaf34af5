package gateway

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// pace replaces the server's limits on the time that a whole request takes by limits on standing still.
type deadlines struct {
	rc    *http.ResponseController
	h2    bool
	stall time.Duration // how long either side may keep the other waiting for the next bytes of a body

	mu    sync.Mutex
	over  bool // the connection is no longer this request's
	cut   bool // nothing more is read
	moved time.Time
}

// newPace lifts the server's limit on the answer, which HTTP/2 keeps by ending the stream, also where nothing is to be
// written yet.
func newDeadlines(w http.ResponseWriter, major int, stall time.Duration) *deadlines {
	p := &deadlines{rc: http.NewResponseController(w), h2: major >= 2, stall: stall}
	_ = p.rc.SetWriteDeadline(time.Time{})
	return p
}

// reading gives the client until stall to send more; false: nothing more is expected. What doesn't know deadlines, such as
// a recorder in a test, does without.
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

// stop ends a read that waits for the client, and lets no other wait.
func (p *deadlines) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.cut = true
		_ = p.rc.SetReadDeadline(time.Unix(1, 0))
	}
}

// writing gives the client until stall to take what is written by f.
func (p *deadlines) writing(f func() error) error {
	_ = p.rc.SetWriteDeadline(time.Now().Add(p.stall))
	err := f()
	if p.h2 {
		// HTTP/2 ends the stream at the deadline even if there is nothing to write.
		_ = p.rc.SetWriteDeadline(time.Time{})
	}
	return err
}

// end leaves the connection to the server, with the time to take the last bytes.
func (p *deadlines) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	_ = p.rc.SetWriteDeadline(time.Now().Add(p.stall))
}

// answer is the ResponseWriter that an upstream's answer is copied to. Headers that are ours already stay as they are.
type answer struct {
	http.ResponseWriter
	deadlines *deadlines
	header    http.Header // the upstream's
	begun     bool
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps informational answers to itself: what follows one would be ours without our headers.
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

// trailers passes on what came after the body.
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

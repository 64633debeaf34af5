package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
)

// recheck is how often the callers of exchanges that last are judged again. An exchange is judged from its second turn on,
// so one whose caller has lost the right to it is cut within twice that time, and short ones cost nothing.
const recheckInterval = 400 * time.Millisecond

// recheckers bounds how many callers are judged at a time.
const recheckers = 8

// streams are the exchanges with upstreams that are under way, of callers who are signed in: uploads, downloads,
// WebSockets, answers that have not begun. The zero value is ready.
type streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
	turn int64
}

type stream struct {
	caller
	r       *http.Request // with the credential
	cut     func(*cutError)
	turn    int64 // when it began
	endless bool  // its answer has no end in sight
}

// cutError is why an exchange was cut. Where the answer hasn't begun, why is told to the client; nil: nothing is.
type cutError struct{ why error }

func (e *cutError) Error() string {
	if e.why == nil {
		return "cut"
	}
	return "cut: " + e.why.Error()
}

func (e *cutError) Unwrap() error { return e.why }

// add notes a stream until it is removed.
func (s *streams) add(r *http.Request, c caller, cut func(*cutError)) *stream {
	one := &stream{caller: c, r: r, cut: cut}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*stream]struct{}{}
	}
	one.turn = s.turn
	s.open[one] = struct{}{}
	return one
}

func (s *streams) remove(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
}

// endless notes that the answer has no end in sight.
func (s *streams) endless(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.endless = true
}

// callers begins a turn, and returns the streams from before the last one by who is behind them.
func (s *streams) callers() map[string][]*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]*stream{}
	for one := range s.open {
		if one.turn == s.turn {
			continue
		}
		key := "token " + one.r.Header.Get("Authorization")
		if one.who.Session != nil {
			key = one.who.Session.ID
		}
		all[key] = append(all[key], one)
	}
	s.turn++
	return all
}

// Run cuts streams whose caller is no longer signed in, until ctx ends. Run it once.
func (g *Gateway) Run(ctx context.Context) error {
	ticker := time.NewTicker(recheckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		g.reviewAll(ctx)
	}
}

// reviewAll reviews each caller's streams, some callers at a time.
func (g *Gateway) reviewAll(ctx context.Context) {
	var workers sync.WaitGroup
	queue := make(chan []*stream)
	callers := g.streams.callers()
	for range min(recheckers, len(callers)) {
		workers.Go(func() {
			for same := range queue {
				g.review(ctx, same)
			}
		})
	}
	for _, same := range callers {
		queue <- same
	}
	close(queue)
	workers.Wait()
}

// review cuts those of one caller's streams that the caller may have no more. Not to know ends nothing: an outage is no
// sign-out.
func (g *Gateway) review(ctx context.Context, same []*stream) {
	live, cancel := context.WithCancel(context.WithoutCancel(same[0].r.Context()))
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	who, err := g.currentIdentity(live, same[0].caller)
	switch {
	case isSignedOut(err):
		for _, one := range same {
			one.cut(&cutError{err})
		}
	case err == nil:
		for _, one := range same {
			if one.requirement.revokedFor(who) {
				one.cut(&cutError{auth.ErrPermissionDenied})
			}
		}
		g.streams.update(same, who)
	}
}

// update notes who the caller is by now, so that a session with a new ticket is found at once the next time.
func (s *streams) update(same []*stream, who *auth.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range same {
		one.who = who
	}
}

// Drain cuts all streams without an end in sight, since a server that stops waits for none.
func (g *Gateway) Drain() {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	for one := range g.streams.open {
		if one.endless {
			one.cut(&cutError{})
		}
	}
}

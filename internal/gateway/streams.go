package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/device"
)

// recheckInterval is how often the callers of long exchanges are checked again. An exchange is checked from its second turn
// on, so it is cut within twice that time after its caller lost the right to it, and short exchanges cost nothing.
const recheckInterval = 400 * time.Millisecond

// recheckers limits how many callers are checked at a time.
const recheckers = 8

// streams are the exchanges under way of callers who are signed in: uploads, downloads, WebSockets, answers that haven't
// begun. The zero value is ready to use.
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
	endless bool  // its answer has no known length

	proven time.Time // until when its caller has proven to be the browser that the session is bound to; zero: not bound when last checked
}

// cutError is why an exchange was cut. If the answer hasn't begun, the client gets why as its answer; nil: it gets none.
type cutError struct{ why error }

func (e *cutError) Error() string {
	if e.why == nil {
		return "cut"
	}
	return "cut: " + e.why.Error()
}

func (e *cutError) Unwrap() error { return e.why }

// add adds a stream; call remove when it ends.
func (s *streams) add(r *http.Request, c caller, cut func(*cutError)) *stream {
	one := &stream{caller: c, r: r, cut: cut}
	if c.who.Session != nil {
		one.proven = c.who.Session.DeviceProvenUntil()
	}
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

// endless records that the answer has no known length.
func (s *streams) endless(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.endless = true
}

// callers begins a turn, and returns the streams from before the last turn, grouped by caller.
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

// Run cuts streams whose caller has lost the right to them, until ctx ends. Call it once.
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

// reviewAll reviews the streams of each caller, several callers at a time.
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

// review cuts the streams of one caller to which the caller has lost the right. If the store can't answer, it cuts none: an
// outage is not a sign-out.
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
			switch {
			case one.requirement.revokedFor(who):
				one.cut(&cutError{auth.ErrPermissionDenied})
			case g.streams.unproven(one, who):
				one.cut(&cutError{auth.ErrDeviceUnproven})
			}
		}
		g.streams.update(same, who)
	}
}

// update stores the caller's present identity, so that a session with a new ticket is found at once the next time.
func (s *streams) update(same []*stream, who *auth.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range same {
		one.who = who
	}
}

// unproven reports whether an answer without a known length has gone on for longer than its caller has proven to be the browser that
// the session is bound to. Such an answer could go on for the whole life of the session in another browser. The right browser asks
// again, with its next proof. If the session was bound since the answer began, the time counts from now.
func (s *streams) unproven(one *stream, who *auth.Identity) bool {
	if who.Session == nil || !who.Session.NeedsDeviceProof() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.proven.IsZero() {
		one.proven = time.Now().Add(device.ProofLifetime)
	}
	return one.endless && !time.Now().Before(one.proven)
}

// Drain cuts all streams without a known length, because a stopping server can't wait for their end.
func (g *Gateway) Drain() {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	for one := range g.streams.open {
		if one.endless {
			one.cut(&cutError{})
		}
	}
}

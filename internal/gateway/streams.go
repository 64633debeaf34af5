package gateway

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
)

// recheck is how often it is looked whether the callers behind open streams are still signed in. A stream is cut within
// twice that time.
const recheck = 400 * time.Millisecond

// streams are the WebSockets and the answers without an end in sight that somebody is signed in to. The zero value is ready.
type streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
}

type stream struct {
	caller
	r   *http.Request // with the credential
	cut context.CancelCauseFunc
}

// add notes a stream until the returned function is called.
func (s *streams) add(r *http.Request, c caller, cut context.CancelCauseFunc) (release func()) {
	one := &stream{c, r, cut}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*stream]struct{}{}
	}
	s.open[one] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, one)
	}
}

// callers are the streams by who is behind them.
func (s *streams) callers() map[string][]*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]*stream{}
	for one := range s.open {
		key := "token " + one.r.Header.Get("Authorization")
		if one.who.Session != nil {
			key = one.who.Session.ID
		}
		all[key] = append(all[key], one)
	}
	return all
}

// Run cuts streams whose caller is no longer signed in, until ctx ends. Run it once.
func (g *Gateway) Run(ctx context.Context) error {
	ticker := time.NewTicker(recheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, same := range g.streams.callers() {
			g.review(ctx, same)
		}
	}
}

// review cuts those of one caller's streams that the caller may have no more. Not to know ends nothing: an outage is no
// sign-out.
func (g *Gateway) review(ctx context.Context, same []*stream) {
	who, err := g.now(ctx, same[0])
	if err != nil {
		return
	}
	for _, one := range same {
		if who == nil || one.demand.lost(who) {
			one.cut(errEnded)
		}
	}
}

// now returns who is behind a stream at this moment; nil for nobody. To ask is no use of a session, and finds it under
// whatever ticket it has by now.
func (g *Gateway) now(ctx context.Context, one *stream) (who *auth.Identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if one.who.Session != nil {
		who, _, err = g.c.Auth.Recheck(ctx, one.who)
		return who, err
	}
	again := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: "slide=false"}, Header: one.r.Header, Host: one.r.Host,
		RemoteAddr: one.r.RemoteAddr, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	g.c.Auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		who, err = auth.FromContext(r.Context())
	})).ServeHTTP(nil, again.WithContext(ctx))
	return who, err
}

// Drain cuts all streams, since a server that stops waits for none.
func (g *Gateway) Drain() {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	for one := range g.streams.open {
		one.cut(errEnded)
	}
}

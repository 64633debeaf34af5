package events_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// proof is a session.DeviceBinder that takes the header X-Proof for a proof until that many seconds from now.
type proof struct{}

func (proof) Offer(http.Header, *session.Record) {}

func (proof) Prove(_ *session.Record, h http.Header, now int64) int64 {
	if h.Get("X-Proof") == "" {
		return 0
	}
	return now + 300
}

// closing is a page that records when it was closed.
type closing struct {
	page
	closed time.Time
}

func (p *closing) Close() {
	if p.closed.IsZero() {
		p.closed = time.Now()
	}
}

// TestAPageOfABoundSessionIsClosedWhenItsProofIsOver, without word that the session has ended: the right browser opens it again.
func TestAPageOfABoundSessionIsClosedWhenItsProofIsOver(t *testing.T) {
	t.Attr("threat", "DB10")
	for what, c := range map[string]struct {
		before bool // the page was opened before the session was bound
		want   time.Duration
	}{
		"with a proof":                      {want: 5 * time.Minute},
		"from before the session was bound": {before: true, want: 10 * time.Minute},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := memory.New()
				u := &account.User{Username: "ada", IsActive: true, Epoch: "1"}
				must(t, db.Accounts.Create(t.Context(), u))
				m := &session.Manager{Store: db.Sessions, Device: proof{}}
				a := auth.New(auth.Config{Sessions: m, Accounts: db.Accounts})
				hub := &events.Hub{Auth: a}
				w := httptest.NewRecorder()
				s, err := m.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: "1", Method: "password"})
				must(t, err)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				go func() { _ = hub.Run(ctx) }()
				bind := func() {
					must(t, m.ChangeBinding(ctx, s.ID, func(r *session.Record) error { r.Bound, r.Binding = true, "key"; return nil }))
				}
				if !c.before {
					bind()
				}
				r := httptest.NewRequest("GET", "/", nil)
				r.AddCookie(w.Result().Cookies()[0])
				r.Header.Set("X-Proof", "1")
				p := &closing{}
				a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					who, err := auth.Identify(r.Context())
					must(t, err)
					_, err = hub.Open(ctx, who, p)
					must(t, err)
				})).ServeHTTP(httptest.NewRecorder(), r)
				began := time.Now()
				if c.before {
					bind()
				}
				time.Sleep(20 * time.Minute)
				p.want(t, "in the end")
				if open := p.closed.Sub(began); p.closed.IsZero() || open < c.want || open > c.want+30*time.Second {
					t.Errorf("the page was open for %v, want %v", open, c.want)
				}
			})
		})
	}
}

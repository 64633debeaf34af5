package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestARequestWithoutATicketAsksNothing(t *testing.T) {
	epochs := &accounts{}
	m := &session.Manager{Accounts: epochs, Store: &watched{before: func(method string) error {
		t.Errorf("the store is asked: %s", method)
		return errOutage
	}}}
	for _, cookie := range []string{"", "theme=dark", session.CookieName + "=", session.CookieName + "=garbage", "sessionid=" + unknownTicket} {
		v := &visitor{t: t, m: m, cookie: cookie}
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s != nil || err != nil {
				t.Errorf("%q: %v, %v", cookie, s, err)
			}
			if err := m.SignOut(w, r); err != nil && !errors.Is(err, session.ErrNotATicket) {
				t.Errorf("%q: %v", cookie, err)
			}
		})
	}
	if epochs.asked != 0 {
		t.Error("the accounts are asked")
	}
}

func TestARequestWithATicketAsksOnceForSessionAndAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epochs := &accounts{epochs: map[string]string{"1": "1"}}
		base := newManager()
		base.Accounts = epochs
		m, calls := counted(base)
		defer running(t, m)()
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		time.Sleep(2*time.Minute + time.Second) // the check has a use to write, which waits for a batch
		epochs.asked = 0
		loads, others := calls("Load"), calls("Touch")+calls("Replace")+calls("List")+calls("Create")+calls("Delete")
		v.serve(func(_ http.ResponseWriter, r *http.Request) {
			if calls("Load") != loads {
				t.Error("the store was asked before FromContext was called")
			}
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					if s, err := session.FromContext(r.Context()); s == nil || err != nil {
						t.Errorf("%v, %v", s, err)
					}
				})
			}
			group.Wait()
		})
		if got := calls("Load") - loads; got != 1 {
			t.Errorf("%d sessions loaded", got)
		}
		if epochs.asked != 1 {
			t.Errorf("%d accounts loaded", epochs.asked)
		}
		if calls("Touch")+calls("Replace")+calls("List")+calls("Create")+calls("Delete") != others {
			t.Error("the check makes other calls than loads")
		}
	})
}

// nowhere is a ResponseWriter that discards everything.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkCheck measures a request: reading the ticket, and loading the session.
func BenchmarkCheck(b *testing.B) {
	m := &session.Manager{Store: memory.New().Sessions}
	v := &visitor{t: b, m: m}
	v.signIn(session.SignIn{User: "1"})
	for _, c := range []struct{ name, cookie string }{
		{"live", v.cookie}, {"anonymous", "theme=dark"}, {"unknown", session.CookieName + "=" + unknownTicket},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s, err := session.FromContext(r.Context()); err != nil || (s != nil) != (c.name == "live") {
					b.Fatal(s, err)
				}
			}))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", c.cookie)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nowhere{}, r)
			}
		})
	}
}

func BenchmarkSignIn(b *testing.B) {
	m := &session.Manager{Store: accepting{}}
	r := httptest.NewRequest("POST", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.SignIn(nowhere{http.Header{}}, r, session.SignIn{User: "1"}); err != nil {
			b.Fatal(err)
		}
	}
}

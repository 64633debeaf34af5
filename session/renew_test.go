package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

func TestEveryRaiseOfPrivilegeIssuesANewTicket(t *testing.T) {
	t.Attr("threat", "S05")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		epochs := &accounts{epochs: map[string]string{"1": "1"}}
		m.Accounts = epochs
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		for name, raise := range map[string]func() error{
			"sign-in":           func() error { v.signIn(session.SignIn{User: "1", Epoch: epochs.epochs["1"]}); return nil },
			"re-authentication": func() error { _, err := v.reauthenticate(epochs.epochs["1"]); return err },
			"password change": func() error {
				next := epochs.epochs["1"] + "+"
				v.serve(func(w http.ResponseWriter, r *http.Request) {
					if _, err := session.FromContext(r.Context()); err != nil {
						t.Error(err)
					}
					epochs.move("1", next)
					if _, err := m.Reauthenticate(w, r, session.Reauthentication{Epoch: next}); err != nil {
						t.Error(err)
					}
				})
				return nil
			},
		} {
			old := *v
			if err := raise(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if v.cookie == old.cookie {
				t.Errorf("%s: the ticket stays", name)
			}
			if old.alive() {
				t.Errorf("%s: the old ticket lives", name)
			}
			if !v.alive() {
				t.Errorf("%s: the new one doesn't", name)
			}
			if n := len(rows(t, m.Store)); n != 1 {
				t.Errorf("%s: %d sessions", name, n)
			}
		}
	})
}

func TestNothingOfTheOldSessionIsCarriedIntoASignIn(t *testing.T) {
	t.Attr("threat", "A2")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.MaxSessions = 5
		v := &visitor{t: t, m: m}
		planted := v.signIn(session.SignIn{
			User: "eve", Method: "basic", Fresh: true, BrowserSession: true, Address: "192.0.2.66",
			Values: session.Values{"cart": []byte(`["planted"]`), "admin": []byte("true")},
		})
		time.Sleep(time.Minute)
		s := v.signIn(session.SignIn{User: "ann", Method: "password", Address: "192.0.2.1"})
		if s.ID == planted.ID || s.User != "ann" || s.Method != "password" || s.Browser || s.IP != "192.0.2.1" ||
			!s.ReauthenticatedAt.IsZero() || len(s.Values()) != 0 || !s.CreatedAt.Equal(time.Now()) {
			t.Errorf("carried over: %+v %v", s, s.Values())
		}
		if again, err := v.look(); err != nil || again.ID != s.ID || len(again.Values()) != 0 {
			t.Errorf("the next request finds %+v, %v", again, err)
		}
		if all := rows(t, m.Store); len(all) != 1 {
			t.Errorf("%d sessions, the planted one lives", len(all))
		}
	})
}

func TestReauthenticationKeepsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		v := &visitor{t: t, m: m}
		before := v.signIn(session.SignIn{User: "1", Method: "password", BrowserSession: true, Values: session.Values{"k": []byte("1")}})
		time.Sleep(30 * time.Minute)
		s, err := v.reauthenticate("")
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if s.ID != before.ID || s.User != "1" || !s.Browser || !s.CreatedAt.Equal(before.CreatedAt) || string(s.Values()["k"]) != "1" {
			t.Errorf("it was %+v, it is %+v", before, s)
		}
		if !s.ReauthenticatedAt.Equal(now) || !s.ExpiresAt.Equal(now.Add(time.Hour)) {
			t.Errorf("fresh at %v, ends at %v, now it is %v", s.ReauthenticatedAt, s.ExpiresAt, now)
		}
		if again, err := v.look(); err != nil || !again.ReauthenticatedAt.Equal(now) {
			t.Errorf("the next request finds %+v, %v", again, err)
		}
	})
}

// TestARotationAloneKeepsFreshnessAndTheDeadline, however often a session is rotated.
func TestARotationAloneKeepsFreshnessAndTheDeadline(t *testing.T) {
	t.Attr("threat", "T02")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle, m.Lifetime = time.Hour, 3*time.Hour
		epochs := &accounts{epochs: map[string]string{"1": "1"}}
		m.Accounts = epochs
		v := &visitor{t: t, m: m}
		rotate := func(epoch string) (s *session.Session, err error) {
			v.serve(func(w http.ResponseWriter, r *http.Request) { s, err = m.Rotate(w, r, epoch) })
			return s, err
		}
		if _, err := rotate("1"); !errors.Is(err, session.ErrEnded) {
			t.Errorf("without a session: %v", err)
		}
		before := v.signIn(session.SignIn{User: "1", Fresh: true, Second: true, Methods: []string{"pwd", "otp"}})
		if _, err := rotate(""); err == nil {
			t.Error("rotated without an epoch")
		}
		for i := range 5 {
			time.Sleep(30 * time.Minute)
			old := *v
			next := epochs.epochs["1"] + "+"
			var s *session.Session
			v.serve(func(w http.ResponseWriter, r *http.Request) {
				if _, err := session.FromContext(r.Context()); err != nil {
					t.Error(err)
				}
				epochs.move("1", next)
				var err error
				if s, err = m.Rotate(w, r, next); err != nil {
					t.Fatal(err)
				}
			})
			if v.cookie == old.cookie || old.alive() {
				t.Errorf("rotation %d: the old ticket stays", i)
			}
			if s.ID != before.ID || !s.CreatedAt.Equal(before.CreatedAt) || !s.ReauthenticatedAt.Equal(before.ReauthenticatedAt) ||
				!s.SecondAt.Equal(before.SecondAt) || !slices.Equal(s.Methods(), before.Methods()) {
				t.Errorf("rotation %d: it was %+v, it is %+v", i, before, s)
			}
			if want := time.Now().Add(time.Hour); i < 3 && !s.ExpiresAt.Equal(want) {
				t.Errorf("rotation %d: ends at %v, want %v, an hour after this use", i, s.ExpiresAt, want)
			}
			if !v.alive() {
				t.Fatalf("rotation %d: the session has ended", i)
			}
		}
		time.Sleep(30 * time.Minute)
		if v.alive() {
			t.Error("the session lives past its deadline")
		}
	})
}

func TestASessionKnowsByWhatItsUserHasProvenWhoTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visitor{t: t, m: newManager()}
		s := v.signIn(session.SignIn{User: "1", Fresh: true, Methods: []string{"pwd"}})
		if got := s.Methods(); !slices.Equal(got, []string{"pwd"}) || !s.SecondAt.IsZero() {
			t.Errorf("after the password: by %q, two factors at %v", got, s.SecondAt)
		}
		again := func(in session.Reauthentication) {
			t.Helper()
			time.Sleep(time.Minute)
			v.serve(func(w http.ResponseWriter, r *http.Request) {
				if _, err := v.m.Reauthenticate(w, r, in); err != nil {
					t.Error(err)
				}
			})
			var err error
			if s, err = v.look(); err != nil {
				t.Fatal(err)
			}
		}
		again(session.Reauthentication{Second: true, Methods: []string{"pwd", "otp", "mfa"}})
		both := time.Now()
		if got := s.Methods(); !slices.Equal(got, []string{"mfa", "otp", "pwd"}) || !s.SecondAt.Equal(both) {
			t.Errorf("after password and code: by %q, two factors at %v, want %v", got, s.SecondAt, both)
		}
		again(session.Reauthentication{Methods: []string{"pwd"}})
		if !s.SecondAt.Equal(both) || !s.ReauthenticatedAt.Equal(time.Now()) {
			t.Errorf("after the password alone: two factors at %v, want %v; one at %v", s.SecondAt, both, s.ReauthenticatedAt)
		}
	})
	v := &visitor{t: t, m: newManager()}
	if s := v.signIn(session.SignIn{User: "1", Second: true, Methods: []string{"hwk", "user", "mfa"}}); s.SecondAt.IsZero() {
		t.Error("a sign-in with two factors shows none")
	}
}

func TestReauthenticationNeedsALiveSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle = time.Hour
		epochs := &accounts{epochs: map[string]string{"1": "1"}}
		m.Accounts = epochs
		v := &visitor{t: t, m: m}
		for name, cookie := range map[string]string{"anonymous": "", "unknown": session.CookieName + "=" + unknownTicket} {
			v.cookie = cookie
			if _, err := v.reauthenticate("1"); !errors.Is(err, session.ErrEnded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		v.signIn(session.SignIn{User: "1"})
		if _, err := v.reauthenticate(""); err == nil || errors.Is(err, session.ErrEnded) {
			t.Errorf("without an epoch: %v", err)
		}
		slow := *v
		slow.serve(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s == nil || err != nil {
				t.Errorf("%v, %v", s, err)
			}
			time.Sleep(time.Hour) // the check of the password is very slow
			if _, err := m.Reauthenticate(w, r, session.Reauthentication{Epoch: "1"}); !errors.Is(err, session.ErrEnded) {
				t.Errorf("a session that ran out meanwhile is renewed: %v", err)
			}
		})
		if v.alive() || slow.alive() {
			t.Error("it is back")
		}
	})
}

func TestOfTwoRenewalsOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Store = &watched{Store: m.Store, before: func(string) error {
			time.Sleep(time.Millisecond) // so that all have looked before the first one writes
			return nil
		}}
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		tabs := make([]visitor, 8)
		results := make([]error, len(tabs))
		var group sync.WaitGroup
		for i := range tabs {
			tabs[i] = *v
			group.Go(func() { _, results[i] = tabs[i].reauthenticate("") })
		}
		group.Wait()
		winners := 0
		for i, err := range results {
			switch {
			case err == nil:
				winners++
				if !tabs[i].alive() {
					t.Error("the winner's ticket is dead")
				}
			case !errors.Is(err, session.ErrEnded):
				t.Errorf("a loser hears %v", err)
			case tabs[i].cookie != v.cookie:
				t.Error("a loser's cookie is touched")
			}
		}
		if all := rows(t, m.Store); winners != 1 || len(all) != 1 {
			t.Errorf("%d winners, %d tickets alive", winners, len(all))
		}
	})
}

func TestARenewalAndAnUpdateLoseNothingOfEachOther(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	s := v.signIn(session.SignIn{User: "1"})
	inner, raced := m.Store, false
	m.Store = &watched{Store: inner, before: func(method string) error {
		if method == "Replace" && !raced { // between what the renewal reads and what it writes
			raced = true
			other := &session.Manager{Store: inner}
			if _, err := other.Update(t.Context(), s, func(v session.Values) error { return v.Set("a", 1) }); err != nil {
				t.Error(err)
			}
		}
		return nil
	}}
	if _, err := v.reauthenticate(""); err != nil {
		t.Fatal(err)
	}
	if now, err := v.look(); err != nil || now == nil || string(now.Values()["a"]) != "1" {
		t.Errorf("after both: %+v, %v", now, err)
	}
}

func TestASignInThatOverlapsAPasswordChangeStartsNoLiveSession(t *testing.T) {
	m := newManager()
	epochs := &accounts{epochs: map[string]string{"1": "before"}}
	m.Accounts = epochs
	slow, quick := &visitor{t: t, m: m}, &visitor{t: t, m: m}
	quick.signIn(session.SignIn{User: "1", Epoch: "before"})
	renewing := *quick
	verified := epochs.epochs["1"] // the old password was right when it was checked …
	epochs.move("1", "after")      // … and then it was changed
	slow.signIn(session.SignIn{User: "1", Epoch: verified})
	if slow.alive() || quick.alive() {
		t.Error("the old password opened a session that lives")
	}
	if _, err := renewing.reauthenticate(verified); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the old password renewed a session: %v", err)
	}
	if all, err := m.List(t.Context(), "1"); err != nil || len(all) != 0 {
		t.Errorf("listed: %v, %v", all, err)
	}
}

func TestSignInNeedsAUserAndAnEpoch(t *testing.T) {
	m := newManager()
	m.Accounts = &accounts{epochs: map[string]string{"1": "1"}}
	v := &visitor{t: t, m: m}
	for _, in := range []session.SignIn{{}, {Epoch: "1"}, {User: "1"}} {
		answer := v.serve(func(w http.ResponseWriter, r *http.Request) {
			if s, err := m.SignIn(w, r, in); s != nil || err == nil {
				t.Errorf("%+v: %v, %v", in, s, err)
			}
		})
		if len(answer.Header) != 0 || len(rows(t, m.Store)) != 0 {
			t.Errorf("%+v: %v", in, answer.Header)
		}
	}
}

func TestABrokenPartIsAnErrorAndNoLoop(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	inner := m.Store
	ctx, cancel := context.WithCancel(t.Context())
	conflicts := 0
	m.Store = &watched{Store: inner, before: func(method string) error {
		if conflicts++; conflicts > 10 {
			cancel() // the client has given up
		}
		if method == "Replace" {
			return session.ErrConflict
		}
		return nil
	}}
	v.send(httptest.NewRequestWithContext(ctx, "POST", "/", nil), func(w http.ResponseWriter, r *http.Request) {
		if s, err := m.Reauthenticate(w, r, session.Reauthentication{}); s != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("a store that always reports a conflict: %v, %v", s, err)
		}
	})
	m.Store = inner
	m.Tickets = refusing{}
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		if s, err := m.SignIn(w, r, session.SignIn{User: "1"}); s != nil || err == nil {
			t.Errorf("Tickets that refuse their own: %v, %v", s, err)
		}
	})
	if len(rows(t, inner)) != 1 {
		t.Errorf("rows: %v", rows(t, inner))
	}
}

// refusing makes tickets that it doesn't accept itself.
type refusing struct{}

func (refusing) New() string                        { return "ticket" }
func (refusing) ID(string) (id session.ID, ok bool) { return id, false }

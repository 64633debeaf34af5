package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

func TestASignedOutTicketIsDeadEverywhere(t *testing.T) {
	t.Attr("threat", "X01")
	t.Attr("threat", "B15")
	m := newManager()
	other := &session.Manager{Store: m.Store} // another node
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	saved := []*visitor{{t: t, m: m, cookie: ann.cookie}, {t: t, m: other, cookie: ann.cookie}}
	if _, err := ann.signOut(); err != nil {
		t.Fatal(err)
	}
	for _, replay := range saved {
		if replay.alive() {
			t.Error("a replayed cookie is signed in")
		}
		if _, err := replay.reauthenticate(""); !errors.Is(err, session.ErrEnded) {
			t.Errorf("a replayed cookie is renewed: %v", err)
		}
	}
	if len(rows(t, m.Store)) != 0 {
		t.Error("the row is still there")
	}
}

func TestSigningOutTwiceIsNoError(t *testing.T) {
	t.Attr("threat", "X06")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	again := *ann
	for name, v := range map[string]*visitor{"first": ann, "never signed in": {t: t, m: m}, "stranger": {t: t, m: m, cookie: session.CookieName + "=" + unknownTicket}} {
		answer, err := v.signOut()
		if err != nil || len(answer.Cookies()) != 1 || answer.Cookies()[0].MaxAge >= 0 {
			t.Errorf("%s: %v %v", name, err, answer.Cookies())
		}
	}
	if answer, err := again.signOut(); err != nil || len(answer.Cookies()) != 1 {
		t.Errorf("again: %v %v", err, answer.Cookies())
	}
}

func TestSignOutDeletesTheCookieThatWasSet(t *testing.T) {
	t.Attr("threat", "X05")
	m := newManager()
	ann := &visitor{t: t, m: m}
	set := ann.serve(func(w http.ResponseWriter, r *http.Request) { _, _ = m.SignIn(w, r, session.SignIn{User: "1"}) }).Cookies()[0]
	answer, err := ann.signOut()
	if err != nil {
		t.Fatal(err)
	}
	end := answer.Cookies()[0]
	if end.Value != "" || end.MaxAge != -1 || end.Expires.After(time.Unix(86400, 0)) {
		t.Errorf("not a deletion: %v", end)
	}
	set.Value, set.MaxAge, set.RawExpires, set.Expires, set.Raw = "", -1, end.RawExpires, end.Expires, end.Raw
	if fmt.Sprint(set) != fmt.Sprint(end) {
		t.Errorf("set with %v, deleted with %v", set, end)
	}
}

func TestARequestThatStraddlesASignOutRevivesNothing(t *testing.T) {
	t.Attr("threat", "X07")
	t.Attr("threat", "B1")
	for name, late := range map[string]func(m *session.Manager, w http.ResponseWriter, r *http.Request, s *session.Session){
		"update": func(m *session.Manager, _ http.ResponseWriter, r *http.Request, s *session.Session) {
			if _, err := m.Update(r.Context(), s, func(v session.Values) error { return v.Set("a", 1) }); !errors.Is(err, session.ErrEnded) {
				t.Errorf("update: %v", err)
			}
		},
		"renewal": func(m *session.Manager, w http.ResponseWriter, r *http.Request, _ *session.Session) {
			if _, err := m.Reauthenticate(w, r, session.Reauthentication{}); !errors.Is(err, session.ErrEnded) {
				t.Errorf("renewal: %v", err)
			}
		},
		"touch": func(*session.Manager, http.ResponseWriter, *http.Request, *session.Session) {},
	} {
		for _, run := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				m := newManager()
				if run {
					defer running(t, m)()
				}
				ann := &visitor{t: t, m: m}
				ann.signIn(session.SignIn{User: "1"})
				time.Sleep(2 * time.Minute) // so that the check has a use to write
				slow, hold, done := *ann, make(chan bool), make(chan *http.Response)
				go func() {
					done <- slow.serve(func(w http.ResponseWriter, r *http.Request) {
						s, err := session.FromContext(r.Context())
						if s == nil || err != nil {
							t.Errorf("not signed in: %v", err)
						}
						<-hold
						late(m, w, r, s)
					})
				}()
				synctest.Wait()
				replay := *ann
				if _, err := ann.signOut(); err != nil {
					t.Fatal(err)
				}
				hold <- true
				if answer := <-done; len(answer.Cookies()) != 0 {
					t.Errorf("%s: the late answer sets %v", name, answer.Cookies())
				}
				time.Sleep(time.Minute) // and every batch is written
				if replay.alive() || len(rows(t, m.Store)) != 0 {
					t.Errorf("%s, run %v: the session is back", name, run)
				}
			})
		}
	}
}

func TestSignOutWorksInWhateverStateTheSessionIs(t *testing.T) {
	t.Attr("threat", "B3")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Accounts = &accounts{epochs: map[string]string{"1": "1"}}
		for name, prepare := range map[string]func(*visitor){
			"fresh": func(*visitor) {},
			"with values": func(v *visitor) {
				s, _ := v.look()
				if _, err := m.Update(t.Context(), s, func(v session.Values) error { return v.Set("a", 1) }); err != nil {
					t.Error(err)
				}
			},
			"emptied": func(v *visitor) {
				s, _ := v.look()
				if _, err := m.Update(t.Context(), s, func(v session.Values) error { clear(v); return nil }); err != nil {
					t.Error(err)
				}
			},
			"renewed":  func(v *visitor) { _, _ = v.reauthenticate("1") },
			"expired":  func(*visitor) { time.Sleep(14 * day) },
			"outdated": func(*visitor) { m.Accounts.(*accounts).move("1", "2") },
			"orphaned": func(*visitor) { delete(m.Accounts.(*accounts).epochs, "1") },
		} {
			m.Accounts.(*accounts).move("1", "1")
			v := &visitor{t: t, m: m}
			v.signIn(session.SignIn{User: "1", Values: session.Values{"k": []byte("1")}})
			prepare(v)
			replay := *v
			if _, err := v.signOut(); err != nil || v.cookie != "" {
				t.Errorf("%s: %v", name, err)
			}
			if len(rows(t, m.Store)) != 0 || replay.alive() {
				t.Errorf("%s: still there", name)
			}
		}
	})
}

func TestAFailedSignOutIsNotASignOut(t *testing.T) {
	t.Attr("threat", "B4")
	for _, method := range []string{"Delete", "List"} {
		m := newManager()
		inner := m.Store
		ann := &visitor{t: t, m: m}
		ann.signIn(session.SignIn{User: "1"})
		m.Store = &watched{Store: inner, before: func(called string) error {
			if called == method {
				return errOutage
			}
			return nil
		}}
		answer, err := ann.signOut()
		if !errors.Is(err, errOutage) || len(answer.Header) != 0 {
			t.Errorf("%s fails: %v, %v", method, err, answer.Header)
		}
		m.Store = inner
		replay := *ann
		if _, err := ann.signOut(); err != nil || replay.alive() {
			t.Errorf("%s: the second try: %v", method, err)
		}
	}
}

func TestSignOutOutlivesItsRequest(t *testing.T) {
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the person has closed the page
	ann.send(httptest.NewRequestWithContext(ctx, "POST", "/", nil), func(w http.ResponseWriter, r *http.Request) {
		if err := m.SignOut(w, r); err != nil {
			t.Error(err)
		}
	})
	if len(rows(t, m.Store)) != 0 {
		t.Error("still there")
	}
}

func TestSignOutEndsAllThatTheRequestNames(t *testing.T) {
	m := newManager()
	ann, bob := &visitor{t: t, m: m}, &visitor{t: t, m: m}
	for name, cookies := range map[string]func() string{
		"two cookies": func() string { return ann.cookie + "; " + bob.cookie },
		"behind planted bad": func() string {
			return strings.Repeat(session.CookieName+"=planted; ", 500) + ann.cookie + "; " + bob.cookie
		},
		"among strangers": func() string {
			return strings.Repeat(session.CookieName+"="+unknownTicket+"; ", 500) + ann.cookie + "; " + bob.cookie
		},
	} {
		ann.signIn(session.SignIn{User: "1"})
		bob.signIn(session.SignIn{User: "2"})
		both := &visitor{t: t, m: m, cookie: cookies()}
		if _, err := both.signOut(); err != nil {
			t.Error(err)
		}
		if ann.alive() || bob.alive() {
			t.Errorf("%s: a session outlived its sign-out", name)
		}
	}
}

func TestSignOutNeverClaimsMoreThanItDid(t *testing.T) {
	m := newManager()
	var planted []string
	for i := range 100 {
		planted = append(planted, fmt.Sprintf("%s=%s%02d%s", session.CookieName, unknownTicket[:20], i, unknownTicket[22:]))
	}
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	crowd := &visitor{t: t, m: m, cookie: strings.Join(planted, "; ") + "; " + ann.cookie}
	_, err := crowd.signOut()
	if err == nil && ann.alive() {
		t.Error("acknowledged, and the session lives")
	}
}

func TestSignOutEndsWhatTheSameRequestStarted(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	for name, start := range map[string]func(w http.ResponseWriter, r *http.Request) (*session.Session, error){
		"sign-in": func(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
			return m.SignIn(w, r, session.SignIn{User: "2"})
		},
		"renewal": func(w http.ResponseWriter, r *http.Request) (*session.Session, error) {
			return m.Reauthenticate(w, r, session.Reauthentication{})
		},
	} {
		v.signIn(session.SignIn{User: "1"})
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			if _, err := start(w, r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := m.SignOut(w, r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if s, err := session.FromContext(r.Context()); s != nil || err != nil {
				t.Errorf("%s: still signed in in the same request: %v, %v", name, s, err)
			}
		})
		if all := rows(t, m.Store); len(all) != 0 {
			t.Errorf("%s: left behind: %v", name, all)
		}
	}
}

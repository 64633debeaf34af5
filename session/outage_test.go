package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

func TestAnOutageIsNeitherASignOutNorASignIn(t *testing.T) {
	m := newManager()
	epochs := &accounts{epochs: map[string]string{"1": "1"}}
	m.Accounts = epochs
	inner := m.Store
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	unknown := &visitor{t: t, m: m, cookie: session.CookieName + "=" + unknownTicket}
	anonymous := &visitor{t: t, m: m}
	for name, down := range map[string]func(bool){
		"the store": func(yes bool) {
			m.Store = inner
			if yes {
				m.Store = &watched{Store: inner, before: func(string) error { return errOutage }}
			}
		},
		"the accounts": func(yes bool) {
			epochs.err = nil
			if yes {
				epochs.err = errOutage
			}
		},
	} {
		down(true)
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s != nil || !errors.Is(err, errOutage) {
				t.Errorf("%s is down: %v, %v", name, s, err)
			}
			if _, err := m.Reauthenticate(w, r, session.Reauthentication{Epoch: "1"}); !errors.Is(err, errOutage) {
				t.Errorf("%s is down: renewal: %v", name, err)
			}
			if len(w.Header()) != 0 {
				t.Errorf("%s is down: %v", name, w.Header())
			}
			down(false) // the same request may ask again
			if s, err := session.FromContext(r.Context()); s == nil || err != nil {
				t.Errorf("%s is back: %v, %v", name, s, err)
			}
			down(true)
		})
		if s, err := unknown.look(); s != nil || (name == "the store") != errors.Is(err, errOutage) {
			t.Errorf("%s is down: unknown ticket: %v, %v", name, s, err)
		}
		if s, err := anonymous.look(); s != nil || err != nil {
			t.Errorf("%s is down: no ticket: %v, %v", name, s, err)
		}
		if all, err := m.List(t.Context(), "1"); all != nil || !errors.Is(err, errOutage) {
			t.Errorf("%s is down: list: %v, %v", name, all, err)
		}
		down(false)
		if !v.alive() {
			t.Errorf("%s is back: signed out", name)
		}
	}
}

func TestADeletedAccountEndsItsSessions(t *testing.T) {
	m := newManager()
	epochs := &accounts{epochs: map[string]string{"1": "1"}}
	m.Accounts = epochs
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	for name, change := range map[string]func(){
		"epoch moved": func() { epochs.move("1", "2") },
		"user gone":   func() { delete(epochs.epochs, "1") },
		"empty epoch": func() { epochs.move("1", "") },
	} {
		epochs.move("1", "1")
		if !v.alive() {
			t.Fatal("not signed in")
		}
		change()
		answer := v.serve(func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s != nil || err != nil || !session.RequestFrom(r.Context()).HasTicket() {
				t.Errorf("%s: %v, %v, presented %v", name, s, err, session.RequestFrom(r.Context()).HasTicket())
			}
		})
		if len(answer.Header) != 0 {
			t.Errorf("%s: %v", name, answer.Header)
		}
	}
}

func TestASessionFromBeforeThereWereAccountsIsDead(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		if _, err := m.SignIn(w, r, session.SignIn{User: "1"}); err != nil {
			t.Fatal(err)
		}
	})
	v.m = &session.Manager{Store: m.Store, Accounts: &accounts{epochs: map[string]string{"1": ""}}}
	if v.alive() {
		t.Error("an empty epoch equals an empty epoch")
	}
}

func TestWithoutTheHandlerNothingIsKnown(t *testing.T) {
	if s, err := session.FromContext(t.Context()); s != nil || err == nil {
		t.Errorf("%v, %v", s, err)
	}
	if session.RequestFrom(t.Context()).HasTicket() {
		t.Error("presented")
	}
}

// scene is the start of each case of the next test: ann on two devices, and bob.
type scene struct {
	t           *testing.T
	m           *session.Manager
	phone       *visitor
	on, off     *session.Session // ann's phone and laptop
	names       map[string]string
	firstTicket map[session.ID]bool
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, m: newManager(), names: map[string]string{}, firstTicket: map[session.ID]bool{}}
	s.m.Accounts = &accounts{epochs: map[string]string{"ann": "1", "bob": "1"}}
	s.phone = &visitor{t: t, m: s.m}
	s.on = s.phone.signIn(session.SignIn{User: "ann"})
	s.off = (&visitor{t: t, m: s.m}).signIn(session.SignIn{User: "ann"})
	bob := (&visitor{t: t, m: s.m}).signIn(session.SignIn{User: "bob"})
	s.names = map[string]string{s.on.ID: "phone", s.off.ID: "laptop", bob.ID: "bob"}
	for _, r := range rows(t, s.m.Store) {
		s.firstTicket[r.ID] = true
	}
	return s
}

// state describes the store without its random parts.
func (s *scene) state(store session.Store) string {
	var all []string
	for _, r := range rows(s.t, store) {
		name := s.names[r.PublicID]
		if name == "" {
			name = "new"
		}
		all = append(all, fmt.Sprintf("%s(%s, first ticket %v, fresh %v, values %s)", name, r.User, s.firstTicket[r.ID], r.ReauthenticatedAt != 0, r.Values))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestWhateverCallFailsTheStateIsBeforeOrAfter lets each store call of a method fail, once without effect and once after it.
// The method then returns the error and writes no cookie, and the state is that before or that after.
func TestWhateverCallFailsTheStateIsBeforeOrAfter(t *testing.T) {
	for name, do := range map[string]func(s *scene, w http.ResponseWriter, r *http.Request) error{
		"check": func(_ *scene, _ http.ResponseWriter, r *http.Request) error {
			_, err := session.FromContext(r.Context())
			return err
		},
		"sign-in": func(s *scene, w http.ResponseWriter, r *http.Request) error {
			r.Header.Del("Cookie")
			_, err := s.m.SignIn(w, r, session.SignIn{User: "ann", Epoch: "1"})
			return err
		},
		"sign-in over a session": func(s *scene, w http.ResponseWriter, r *http.Request) error {
			_, err := s.m.SignIn(w, r, session.SignIn{User: "ann", Epoch: "1"})
			return err
		},
		"renewal": func(s *scene, w http.ResponseWriter, r *http.Request) error {
			_, err := s.m.Reauthenticate(w, r, session.Reauthentication{Epoch: "1"})
			return err
		},
		"sign-out": func(s *scene, w http.ResponseWriter, r *http.Request) error { return s.m.SignOut(w, r) },
		"update": func(s *scene, _ http.ResponseWriter, r *http.Request) error {
			_, err := s.m.Update(r.Context(), s.on, func(v session.Values) error { return v.Set("a", 1) })
			return err
		},
		"revoke": func(s *scene, _ http.ResponseWriter, r *http.Request) error {
			return s.m.Revoke(r.Context(), "ann", s.off.ID)
		},
		"revoke all": func(s *scene, _ http.ResponseWriter, r *http.Request) error {
			_, err := s.m.RevokeAll(r.Context(), "ann", s.on)
			return err
		},
		"list": func(s *scene, _ http.ResponseWriter, r *http.Request) error {
			_, err := s.m.List(r.Context(), "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { failEach(t, do) })
	}
}

func failEach(t *testing.T, do func(s *scene, w http.ResponseWriter, r *http.Request) error) {
	for _, mode := range []*storetest.FaultPlan{{}, {After: true}, {Rest: true}} {
		for n := 1; ; n++ {
			s := newScene(t)
			inner, before, cookie := s.m.Store, s.state(s.m.Store), s.phone.cookie
			plan := &storetest.FaultPlan{Call: n, After: mode.After, Rest: mode.Rest}
			s.m.Store = storetest.Faulty(store.Set{Sessions: inner}, plan).Sessions
			var err error
			answer := s.phone.serve(func(w http.ResponseWriter, r *http.Request) { err = do(s, w, r) })
			state := s.state(inner)
			if len(plan.Calls()) < n { // no call was left to fail
				if err != nil {
					t.Fatalf("nothing fails, and it returns %v", err)
				}
				break
			}
			if !errors.Is(err, storetest.ErrFault) || len(answer.Header) != 0 || s.phone.cookie != cookie {
				t.Errorf("%v fails: error %v, header %v", plan.Calls(), err, answer.Header)
			}
			if after := s.done(t, do); state != before && state != after {
				t.Errorf("%v fails, effect %v:\nbefore %s\nnow    %s\nafter  %s", plan.Calls(), mode.After, before, state, after)
			} else if !mode.After && n == 1 && state != before {
				t.Errorf("%v fails without effect: %s", plan.Calls(), state)
			}
		}
	}
}

// done returns the state after the method, done where nothing fails.
func (s *scene) done(t *testing.T, do func(s *scene, w http.ResponseWriter, r *http.Request) error) string {
	fresh := newScene(t)
	fresh.phone.serve(func(w http.ResponseWriter, r *http.Request) {
		if err := do(fresh, w, r); err != nil {
			t.Errorf("without a fault: %v", err)
		}
	})
	return fresh.state(fresh.m.Store)
}

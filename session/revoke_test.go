package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestOneUsersSessionsEndAtOnce(t *testing.T) {
	t.Attr("threat", "X04")
	m := newManager()
	var anns [5]visitor
	var sessions [5]*session.Session
	for i := range anns {
		anns[i] = visitor{t: t, m: m}
		sessions[i] = anns[i].signIn(session.SignIn{User: "ann"})
	}
	bob := &visitor{t: t, m: m}
	bob.signIn(session.SignIn{User: "bob"})
	if n, err := m.RevokeAll(t.Context(), "ann", sessions[2]); n != 4 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	for i := range anns {
		if got := anns[i].alive(); got != (i == 2) {
			t.Errorf("session %d: alive is %v", i, got)
		}
	}
	if n, err := m.RevokeAll(t.Context(), "ann", nil); n != 1 || err != nil || anns[2].alive() {
		t.Errorf("%d ended, %v", n, err)
	}
	if n, err := m.RevokeAll(t.Context(), "ann", nil); n != 0 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	if _, err := m.RevokeAll(t.Context(), "", nil); err == nil || !bob.alive() {
		t.Errorf("RevokeAll without a user: %v", err)
	}
}

func TestEachDeviceHasATicketOfItsOwn(t *testing.T) {
	t.Attr("threat", "B9")
	m := newManager()
	phone, laptop := &visitor{t: t, m: m}, &visitor{t: t, m: m}
	s := phone.signIn(session.SignIn{User: "1"})
	laptop.signIn(session.SignIn{User: "1"})
	if phone.cookie == laptop.cookie {
		t.Fatal("two devices, one ticket")
	}
	if err := m.Revoke(t.Context(), "1", s.ID); err != nil || phone.alive() || !laptop.alive() {
		t.Errorf("%v", err)
	}
	if err := m.Revoke(t.Context(), "1", s.ID); !errors.Is(err, session.ErrEnded) {
		t.Errorf("once more: %v", err)
	}
}

func TestAUserCannotEndAnotherUsersSession(t *testing.T) {
	m := newManager()
	ann := &visitor{t: t, m: m}
	s := ann.signIn(session.SignIn{User: "ann"})
	for _, c := range [][2]string{{"eve", s.ID}, {"ann", ""}, {"", ""}, {"ann", "x"}, {"ann", ann.ticket()}} {
		if err := m.Revoke(t.Context(), c[0], c[1]); !errors.Is(err, session.ErrEnded) {
			t.Errorf("%q: %v", c, err)
		}
	}
	if !ann.alive() {
		t.Fatal("it ended")
	}
	if err := m.Revoke(t.Context(), "", s.ID); err != nil || ann.alive() { // an administrator
		t.Errorf("%v", err)
	}
}

// TestARevocationIsNotOutrunByARotation ends a session while another tab keeps rotating its ticket: once the end is
// acknowledged, none of its tickets is live.
func TestARevocationIsNotOutrunByARotation(t *testing.T) {
	for name, end := range map[string]func(m *session.Manager, s *session.Session) error{
		"revoke": func(m *session.Manager, s *session.Session) error { return m.Revoke(t.Context(), s.User, s.ID) },
		"revoke all": func(m *session.Manager, s *session.Session) error {
			_, err := m.RevokeAll(t.Context(), s.User, nil)
			return err
		},
	} {
		for range 200 {
			m := newManager()
			tab := &visitor{t: t, m: m}
			s := tab.signIn(session.SignIn{User: "1"})
			started := make(chan bool)
			var group sync.WaitGroup
			group.Go(func() {
				defer close(started)
				for i := 0; ; i++ {
					if _, err := tab.reauthenticate(""); errors.Is(err, session.ErrEnded) {
						return
					}
					if i == 1 {
						started <- true
					}
				}
			})
			<-started
			err := end(m, s)
			if left := len(rows(t, m.Store)); err != nil || left != 0 {
				t.Fatalf("%s: %v, and %d sessions are left", name, err, left)
			}
			group.Wait()
		}
	}
}

// TestASignOutWithATicketFromBeforeARotationEndsTheSession: the rotation's answer is still on its way when the page signs
// out, and must not bring a live ticket afterwards. The same holds for a sign-in in between.
func TestASignOutWithATicketFromBeforeARotationEndsTheSession(t *testing.T) {
	for name, end := range map[string]func(v *visitor) error{
		"sign-out": func(v *visitor) error { _, err := v.signOut(); return err },
		"sign-in":  func(v *visitor) error { v.signIn(session.SignIn{User: "2"}); return nil },
	} {
		for rotations := range 4 {
			m := newManager()
			page := &visitor{t: t, m: m}
			page.signIn(session.SignIn{User: "1"})
			answer := &visitor{t: t, m: m, cookie: page.cookie}
			for range rotations {
				if _, err := answer.reauthenticate(""); err != nil {
					t.Fatal(err)
				}
			}
			if err := end(page); err != nil {
				t.Fatal(err)
			}
			if answer.alive() {
				t.Errorf("%s after %d rotations: the session lives under the ticket of the late answer", name, rotations)
			}
		}
	}
}

// TestASignOutIsNotOutrunByARotation rotates at the worst moments: between what the sign-out reads and what it deletes.
func TestASignOutIsNotOutrunByARotation(t *testing.T) {
	t.Attr("threat", "X01")
	for _, c := range []struct {
		moment        string
		looked, tells bool // tells: the store tells whether it has removed a session
	}{
		{"Load", false, false}, {"Delete", false, false}, {"List", false, false}, {"Delete", true, false}, {"List", true, false},
		{"Load", false, true}, {"Delete", false, true}, {"Delete", true, true},
	} {
		m := newManager()
		inner := m.Store
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		other := &visitor{t: t, m: &session.Manager{Store: inner}, cookie: v.cookie}
		rotated := false
		w := &watched{Store: inner, before: func(method string) error {
			if method == c.moment && !rotated {
				rotated = true
				if _, err := other.reauthenticate(""); err != nil && !errors.Is(err, session.ErrEnded) {
					t.Error(err)
				}
			}
			return nil
		}}
		m.Store = w
		if c.tells {
			m.Store = telling{w}
		}
		v.serve(func(w http.ResponseWriter, r *http.Request) {
			if c.looked {
				if s, err := session.FromContext(r.Context()); s == nil || err != nil {
					t.Errorf("%v, %v", s, err)
				}
			}
			if err := m.SignOut(w, r); err != nil {
				t.Error(err)
			}
		})
		if !rotated || other.alive() || len(rows(t, inner)) != 0 {
			t.Errorf("%+v, rotated %v: the session lives under its new ticket", c, rotated)
		}
	}
}

// telling is a watched store that is a removal.Remover.
type telling struct{ *watched }

func (s telling) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	err = s.call("Delete", func() error { removed, err = removal.Remove(ctx, s.Store, id); return err })
	return removed, err
}

// TestARevocationThatRemovedTheSessionDoesNotLookAgain: the store has told that it was there.
func TestARevocationThatRemovedTheSessionDoesNotLookAgain(t *testing.T) {
	m := newManager()
	v := &visitor{t: t, m: m}
	s := v.signIn(session.SignIn{User: "1"})
	calls := map[string]int{}
	m.Store = telling{&watched{Store: m.Store, before: func(method string) error { calls[method]++; return nil }}}
	if err := m.Revoke(t.Context(), "1", s.ID); err != nil {
		t.Fatal(err)
	}
	if calls["List"] != 1 || calls["Delete"] != 1 || v.alive() {
		t.Errorf("%v", calls)
	}
}

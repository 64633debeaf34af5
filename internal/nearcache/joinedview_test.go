package nearcache_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/session"
)

// userOf makes a user with a session, which nodes[0] knows.
func (c *cluster) userOf(number byte) *session.Record {
	c.t.Helper()
	u := &account.User{Username: "ann", IsActive: true, Epoch: "1"}
	if err := c.db.Accounts.Create(c.t.Context(), u); err != nil {
		c.t.Fatal(err)
	}
	r := record(u.ID, number)
	if err := c.nodes[0].sessions.Create(c.t.Context(), r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

// epoch returns that of the user by the cache of a node.
func (m *member) epoch(id string) string {
	m.t.Helper()
	u, err := account.LoadCached(m.t.Context(), m.accounts, id)
	if err != nil {
		m.t.Fatal(err)
	}
	return u.Epoch
}

func TestASessionAndItsUserAreReadOnceAndCached(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		r := c.userOf(1)
		time.Sleep(time.Millisecond)
		m := c.nodes[1]
		got, u, err := m.together(t.Context(), r.ID, 100)
		if err != nil || got.ID != r.ID || u == nil || u.ID != r.User {
			t.Fatalf("got %+v, %+v, %v", got, u, err)
		}
		if got, u, err := m.together(t.Context(), r.ID, 100); err != nil || got.ID != r.ID || u != nil {
			t.Errorf("from the cache: got %+v, %+v, %v; want the session alone", got, u, err)
		}
		if m.epoch(r.User); m.gate.loads() != 1 || !m.valid(r.ID) || m.gate.loads() != 1 {
			t.Errorf("the store was asked %d times, want once", m.gate.loads())
		}
	})
}

// readsTogether begins to read a session and its user, and holds the store's answer back until arrive is called.
func (m *member) readsTogether(t *testing.T, id session.ID) (arrive func(), done <-chan error) {
	t.Helper()
	time.Sleep(time.Millisecond)
	arrive = m.gate.stopAfter("Load")
	read := make(chan error)
	go func() {
		_, _, err := m.together(t.Context(), id, 100)
		read <- err
	}()
	synctest.Wait()
	return arrive, read
}

// TestAUserThatChangesWhileItIsReadWithASessionIsNotCached: the read was made before the change, and its answer comes after it.
func TestAUserThatChangesWhileItIsReadWithASessionIsNotCached(t *testing.T) {
	t.Attr("threat", "X02")
	for name, pause := range map[string]time.Duration{"for a moment": time.Millisecond, "for longer than the bar": hold + lease} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				r := c.userOf(1)
				slow := c.nodes[1]
				arrive, done := slow.readsTogether(t, r.ID)
				_, err := c.nodes[0].accounts.Change(t.Context(), r.User, func(u *account.User) error { u.Epoch = "2"; return nil })
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(pause)
				arrive()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if got := slow.epoch(r.User); got != "2" {
					t.Errorf("after the change the epoch is %s, want 2", got)
				}
			})
		})
	}
}

// TestASessionThatEndsWhileItIsReadWithItsUserIsNotCached: the same for the session.
func TestASessionThatEndsWhileItIsReadWithItsUserIsNotCached(t *testing.T) {
	t.Attr("threat", "X07")
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		r := c.userOf(1)
		slow := c.nodes[1]
		arrive, done := slow.readsTogether(t, r.ID)
		c.nodes[0].end(r.ID)
		arrive()
		<-done // either answer is right: the check began before
		if _, _, err := slow.together(t.Context(), r.ID, 100); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("after its end: got %v, want ErrNotFound", err)
		}
	})
}

func TestAStrictNodeReadsBothEachTime(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		r := c.userOf(1)
		strict := c.join(nearcache.Config{Strict: true})
		time.Sleep(2 * hold)
		for n := 1; n <= 3; n++ {
			got, u, err := strict.together(t.Context(), r.ID, 100)
			if err != nil || got.ID != r.ID || u == nil || strict.gate.loads() != n {
				t.Fatalf("read %d: %+v, %+v, %v, %d loads", n, got, u, err, strict.gate.loads())
			}
		}
	})
}

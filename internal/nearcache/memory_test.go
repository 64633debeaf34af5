package nearcache_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/foreseen"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

func TestOtherNodesDontWaitForANodeThatHasLeft(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		leaving := c.nodes[1]
		leaving.stop()
		if leaving.remembers(id) {
			t.Error("it answers from memory after its goodbye")
		}
		if took := c.nodes[0].end(id); took > 10*time.Millisecond {
			t.Errorf("the others waited %v for who had said goodbye", took)
		}
		if leaving.valid(id) {
			t.Error("it honours what has ended")
		}
	})
}

// TestANodeThatLeavesReleasesWaitingCalls checks that the message of a leaving node releases the calls that wait for its answer.
func TestANodeThatLeavesReleasesWaitingCalls(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		leaving := c.nodes[1]
		leaving.wire.freeze()
		done := make(chan time.Duration)
		go func() { done <- c.nodes[0].end(id) }()
		time.Sleep(lease / 10)
		leaving.stop()
		if took := <-done; took > lease/10+10*time.Millisecond {
			t.Errorf("the other waited %v", took)
		}
		if leaving.valid(id) {
			t.Error("it honours what has ended")
		}
	})
}

// TestALateBeatDoesNotReviveANodeThatHasLeft: another node has gathered it, and the feed was slow.
func TestALateBeatDoesNotReviveANodeThatHasLeft(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		c.nodes[1].stop()
		left := c.net.said("L")
		if len(left) != 1 {
			t.Fatalf("%q", left)
		}
		name := strings.Fields(left[0])[1]
		other := c.net.join()
		for _, late := range []string{"G OTHER " + name + " zzz", "B " + name + " zzz@"} {
			if err := other.Send(t.Context(), late); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if took := c.nodes[0].end(id); took > 10*time.Millisecond {
			t.Errorf("the other waited %v for a node that has left", took)
		}
	})
}

func TestEveryStartHasANameOfItsOwn(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		c.nodes[0].stop()
		c.join(nearcache.Config{})
		time.Sleep(lease)
		names := map[string]bool{}
		for _, m := range c.net.said("B") {
			names[strings.Fields(m)[1]] = true
		}
		if len(names) != 4 {
			t.Errorf("4 starts have %d names", len(names))
		}
	})
}

// TestANodeThatReceivesNothingConnectsAgain: a node whose connection is dead without an error connects again.
func TestANodeThatReceivesNothingConnectsAgain(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		deaf := c.nodes[1]
		deaf.wire.freeze()
		time.Sleep(2 * hold)
		deaf.wire.thaw() // a new connection would receive messages
		time.Sleep(2 * hold)
		if deaf.wire.ups < 2 {
			t.Errorf("it came up %d times", deaf.wire.ups)
		}
		if deaf.valid(id); !deaf.remembers(id) {
			t.Error("it remembers nothing, although it hears again")
		}
	})
}

func TestAStrictNodeCachesNothingAndStillFences(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		strict := c.join(nearcache.Config{Strict: true})
		time.Sleep(2 * hold)
		r := record("ann", 1)
		if err := strict.sessions.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		other := c.nodes[0]
		if other.valid(r.ID); !other.remembers(r.ID) || strict.remembers(r.ID) {
			t.Error("the strict node remembers, or the other doesn't")
		}
		if took := strict.end(r.ID); took > 10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if other.valid(r.ID) {
			t.Error("the other honours what the strict node has ended")
		}
		strict.wire.freeze()
		if took := other.end(r.ID); took > 10*time.Millisecond {
			t.Errorf("a node that remembers nothing held others up for %v", took)
		}
	})
}

func TestAccountsAreFenced(t *testing.T) {
	t.Attr("threat", "X02")
	t.Attr("threat", "X03")
	for name, change := range map[string]func(*account.User) error{
		"password":   func(u *account.User) error { u.Password = "other"; return nil },
		"epoch":      func(u *account.User) error { u.Epoch = "2"; return nil },
		"disabled":   func(u *account.User) error { u.IsActive = false; return nil },
		"staff":      func(u *account.User) error { u.IsStaff = false; return nil },
		"permission": func(u *account.User) error { u.UserPermissions = nil; return nil },
		"nothing":    func(u *account.User) error { return nil },
		"with a sign-in": func(u *account.User) error {
			u.LastLogin++
			u.Epoch = "2"
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				id := c.addUser()
				deaf := c.nodes[1]
				deaf.wire.freeze()
				began := time.Now()
				want, err := c.nodes[0].accounts.Change(t.Context(), id, change)
				if err != nil {
					t.Fatal(err)
				}
				if time.Since(began) < lease/2 {
					t.Error("it was not fenced")
				}
				got, err := account.LoadCached(t.Context(), deaf.accounts, id)
				if err != nil || got.Epoch != want.Epoch || got.Password != want.Password || got.IsActive != want.IsActive || got.IsStaff != want.IsStaff || len(got.UserPermissions) != len(want.UserPermissions) {
					t.Errorf("the other node has %+v, %v", got, err)
				}
			})
		})
	}
}

// addUser makes a user, and has every node cache it.
func (c *cluster) addUser() string {
	u := &account.User{Username: "ann", Password: "hash", IsActive: true, IsStaff: true, Epoch: "1", UserPermissions: []string{"app.see"}}
	ctx := c.t.Context()
	if err := c.nodes[0].accounts.SetGroup(ctx, account.Group{Name: "g", Permissions: []string{"app.edit"}}); err != nil {
		c.t.Fatal(err)
	}
	u.Groups = []string{"g"}
	if err := c.nodes[0].accounts.Create(ctx, u); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(2 * hold) // the block from making the group has ended
	for _, m := range c.nodes {
		m.viewUser(u.ID)
		if before := m.gate.loads(); m.viewUser(u.ID) == nil || m.gate.loads() != before {
			c.t.Fatal("the user isn't remembered")
		}
	}
	return u.ID
}

// viewUser returns nil if there is no such user.
func (m *member) viewUser(id string) *account.User {
	m.t.Helper()
	u, err := account.LoadCached(m.t.Context(), m.accounts, id)
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		m.t.Fatal(err)
	}
	return u
}

func TestTheRecordOfASignInIsNotAnnounced(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.addUser()
		before := len(c.net.said("I"))
		c.nodes[1].wire.freeze()
		u, err := c.nodes[0].accounts.NoteSignIn(t.Context(), id, account.SignInUpdate{At: 77})
		if err != nil || u.LastLogin != 77 {
			t.Fatal(u, err)
		}
		if got := c.nodes[0].viewUser(id); got.LastLogin != 77 {
			t.Errorf("the node itself has %d", got.LastLogin)
		}
		if n := len(c.net.said("I")); n != before {
			t.Errorf("%d notices", n-before)
		}
	})
}

func TestChangesOfAccountsAreFenced(t *testing.T) {
	t.Attr("threat", "X02")
	t.Attr("threat", "X09")
	for name, end := range map[string]func(t *testing.T, m *member, id string) error{
		"user":  func(t *testing.T, m *member, id string) error { return m.accounts.Delete(t.Context(), id) },
		"group": func(t *testing.T, m *member, _ string) error { return m.accounts.DeleteGroup(t.Context(), "g") },
		"right": func(t *testing.T, m *member, _ string) error {
			return m.accounts.SetGroup(t.Context(), account.Group{Name: "g"})
		},
		"user, in a step": func(t *testing.T, m *member, id string) error {
			return m.accounts.Transact(t.Context(), func(tx account.Tx) error { return tx.Delete(id) })
		},
		"group, in a step": func(t *testing.T, m *member, _ string) error {
			return m.accounts.Transact(t.Context(), func(tx account.Tx) error { return tx.DeleteGroup("g") })
		},
		"right, in a step": func(t *testing.T, m *member, _ string) error {
			return m.accounts.Transact(t.Context(), func(tx account.Tx) error { return tx.ChangeGroup(account.Group{Name: "g"}) })
		},
		"membership, in a step that does something else the second time": func(t *testing.T, m *member, id string) error {
			times := 0
			return m.accounts.Transact(t.Context(), func(tx account.Tx) error {
				if times++; times == 1 {
					return tx.ChangeGroup(account.Group{Name: "g", Permissions: []string{"app.edit"}})
				}
				u, err := tx.Load(id)
				if err == nil {
					u.Groups = nil
					err = tx.Change(u)
				}
				return err
			})
		},
		"membership, in a step of which it is foreseen": func(t *testing.T, m *member, id string) error {
			return m.accounts.Transact(foreseen.WithUsers(t.Context(), id), without("g", id))
		},
		"membership, in a step of which another user is foreseen": func(t *testing.T, m *member, id string) error {
			return m.accounts.Transact(foreseen.WithUsers(t.Context(), id+"0"), without("g", id))
		},
		"reset": func(t *testing.T, m *member, id string) error {
			if err := m.accounts.SetReset(t.Context(), id, [32]byte{7}, 1<<40); err != nil {
				return err
			}
			_, err := m.accounts.SpendReset(t.Context(), [32]byte{7}, 1, func(u *account.User) error {
				u.Epoch, u.Groups, u.UserPermissions = u.Epoch+"+", nil, nil
				return nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				id := c.addUser()
				arrive := c.nodes[1].gate.stopAfter("Load")
				late := make(chan *account.User)
				time.Sleep(61 * time.Second) // the entries are too old
				go func() { late <- c.nodes[1].viewUser(id) }()
				synctest.Wait()
				if err := end(t, c.nodes[0], id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * hold)
				arrive()
				<-late
				for i, m := range c.nodes {
					if u := m.viewUser(id); u != nil && u.Has("app.edit") {
						t.Errorf("node %d honours the right", i)
					}
				}
			})
		})
	}
}

// without returns a step that takes a group from a user.
func without(group, id string) func(account.Tx) error {
	return func(tx account.Tx) error {
		u, err := tx.Load(id)
		if err != nil {
			return err
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(name string) bool { return name == group })
		return tx.Change(u)
	}
}

// TestAStepIsWrittenOnce: a change is written behind its fence alone, and what is foreseen is run once.
func TestAStepIsWrittenOnce(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.addUser()
		m := c.nodes[0]
		for _, row := range []struct {
			ctx  context.Context
			runs int
		}{{t.Context(), 2}, {foreseen.WithUsers(t.Context(), id), 1}, {foreseen.WithUsers(t.Context(), "77"), 2}} {
			before, runs := len(c.net.said("I")), 0
			err := m.accounts.Transact(row.ctx, func(tx account.Tx) error {
				runs++
				u, err := tx.Load(id)
				if err != nil {
					return err
				}
				u.FirstName += "x"
				if err := tx.Change(u); err != nil {
					return err
				}
				again, err := tx.Load(id)
				if err == nil && again.FirstName != u.FirstName {
					t.Errorf("run %d doesn't see what it has written: %q", runs, again.FirstName)
				}
				return err
			})
			if err != nil || runs != row.runs {
				t.Errorf("%d runs instead of %d, %v", runs, row.runs, err)
			}
			if n := len(c.net.said("I")) - before; n != row.runs && n != 1 {
				t.Errorf("%d notices", n)
			}
		}
		if u := m.viewUser(id); u.FirstName != "xxx" {
			t.Errorf("the three steps have made %q", u.FirstName)
		}
		boom := errors.New("boom")
		err := m.accounts.Transact(foreseen.WithUsers(t.Context(), id), func(tx account.Tx) error {
			return errors.Join(without("g", id)(tx), boom)
		})
		if u := m.viewUser(id); !errors.Is(err, boom) || !u.Has("app.edit") {
			t.Errorf("a step that fails: %v, and the user has %q", err, u.Permissions)
		}
	})
}

// TestAStepThatIsOnlyTriedIsRefused as the store would refuse it: a caller tries a change by failing after it.
func TestAStepThatIsOnlyTriedIsRefused(t *testing.T) {
	t.Attr("threat", "R12")
	tried := errors.New("tried")
	taken := func(err error) bool { _, is := errors.AsType[*account.TakenError](err); return is }
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id, m := c.addUser(), c.nodes[0]
		if err := m.accounts.Create(t.Context(), &account.User{Username: "bob", Email: "bob@example.com", Epoch: "1"}); err != nil {
			t.Fatal(err)
		}
		for what, row := range map[string]struct {
			change  func(*account.User)
			refused func(error) bool
		}{
			"a username that is taken":   {func(u *account.User) { u.Username = "bob" }, taken},
			"an address that is taken":   {func(u *account.User) { u.Email = "bob@example.com" }, taken},
			"a group that doesn't exist": {func(u *account.User) { u.Groups = []string{"none"} }, func(err error) bool { return errors.Is(err, account.ErrNotFound) }},
			"nothing that is refused":    {func(u *account.User) { u.FirstName = "Ann" }, func(err error) bool { return errors.Is(err, tried) }},
		} {
			for _, ctx := range []context.Context{t.Context(), foreseen.WithUsers(t.Context(), id), foreseen.WithUsers(t.Context(), "77")} {
				err := m.accounts.Transact(ctx, func(tx account.Tx) error {
					u, err := tx.Load(id)
					if err != nil {
						return err
					}
					row.change(u)
					if err := tx.Change(u); err != nil {
						return err
					}
					return tried
				})
				if !row.refused(err) {
					t.Errorf("%s: got %v", what, err)
				}
			}
		}
		if u := m.viewUser(id); u.Username != "ann" || u.Email != "" || u.FirstName != "" || len(u.Groups) != 1 {
			t.Errorf("what was only tried has made %+v", u)
		}
	})
}

// TestAStepWhoseContextHasEndedSaysSo, whether or not the changed user is known beforehand.
func TestAStepWhoseContextHasEndedSaysSo(t *testing.T) {
	for what, of := range map[string]func(ctx context.Context, id string) context.Context{
		"a user who is foreseen": func(ctx context.Context, id string) context.Context { return foreseen.WithUsers(ctx, id) },
		"a user who isn't":       func(ctx context.Context, _ string) context.Context { return ctx },
	} {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			id, m := c.addUser(), c.nodes[0]
			ctx, cancel := context.WithCancel(of(t.Context(), id))
			cancel()
			if err := m.accounts.Transact(ctx, without("g", id)); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, before it began: got %v", what, err)
			}
			ctx, cancel = context.WithCancel(of(t.Context(), id))
			err := m.accounts.Transact(ctx, func(tx account.Tx) error {
				defer cancel()
				return without("g", id)(tx)
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, while it ran: got %v", what, err)
			}
			if u := m.viewUser(id); err != nil != u.Has("app.edit") {
				t.Errorf("%s, while it ran: got %v, and the user has %q", what, err, u.Permissions)
			}
		})
	}
}

func TestTokensAreFenced(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, m *member, r *token.Record) error{
		"ended": func(t *testing.T, m *member, r *token.Record) error { return m.tokens.Delete(t.Context(), r.ID) },
		"all": func(t *testing.T, m *member, r *token.Record) error {
			_, err := m.tokens.DeleteUser(t.Context(), "7")
			return err
		},
		"evicted": func(t *testing.T, m *member, r *token.Record) error {
			other := *r
			other.ID[0], other.PublicID, other.Created = 99, "another", 2
			return m.tokens.Create(t.Context(), &other, token.Limit{Max: 1, Now: 2, Evict: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				r := &token.Record{ID: token.ID{1}, PublicID: "p", User: "7", Epoch: "1", Kind: token.Knox, Created: 1}
				if err := c.nodes[0].tokens.Create(t.Context(), r, token.Limit{}); err != nil {
					t.Fatal(err)
				}
				deaf := c.nodes[1]
				view := func() error {
					_, err := deaf.tokens.(token.CheckLoader).LoadCached(t.Context(), r.ID)
					return err
				}
				if err := view(); err != nil {
					t.Fatal(err)
				}
				deaf.wire.freeze()
				if err := end(t, c.nodes[0], r); err != nil {
					t.Fatal(err)
				}
				if err := view(); !errors.Is(err, token.ErrNotFound) {
					t.Errorf("the other node says %v", err)
				}
			})
		})
	}
}

func TestARotationEndsTheOldTicketEverywhere(t *testing.T) {
	t.Attr("threat", "S05")
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		old, err := c.nodes[0].sessions.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		next := *old
		next.ID[0] = 2
		for range 2 { // absence is cached
			if c.nodes[0].valid(next.ID) {
				t.Fatal("it is there already")
			}
		}
		if err := c.nodes[0].sessions.Replace(t.Context(), old, &next); err != nil {
			t.Fatal(err)
		}
		if c.nodes[0].valid(id) || c.nodes[1].valid(id) || !c.nodes[0].valid(next.ID) {
			t.Error("the old ticket counts, or the new one doesn't")
		}
	})
}

func TestNewValuesAreKnownEverywhereAtOnce(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		old, err := c.nodes[0].sessions.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		next := *old
		next.Values = []byte(`{"a":1}`)
		if err := c.nodes[0].sessions.Replace(t.Context(), old, &next); err != nil {
			t.Fatal(err)
		}
		if r, err := c.nodes[1].view(id); err != nil || string(r.Values) != `{"a":1}` {
			t.Errorf("the other node has %s, %v", r.Values, err)
		}
	})
}

func TestAUseIsRecordedInTheCache(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		before, _ := c.nodes[0].view(id)
		seen := before.Seen
		if err := c.nodes[0].sessions.Touch(t.Context(), []session.LastUse{{ID: id, At: 50, Expires: 1 << 41}}); err != nil {
			t.Fatal(err)
		}
		if !c.nodes[0].remembers(id) {
			t.Error("it was forgotten")
		}
		if r, _ := c.nodes[0].view(id); r.Seen != 50 || r.Expires != 1<<41 {
			t.Errorf("last seen at %d, expires at %d", r.Seen, r.Expires)
		}
		if before.Seen != seen {
			t.Error("a record that was handed out has changed")
		}
	})
}

// TestASessionThatAnotherNodeExtendedHasNotExpired: the cache of the first node doesn't have the use on the second.
func TestASessionThatAnotherNodeExtendedHasNotExpired(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		r := record("ann", 1)
		r.Expires = 150
		if err := c.nodes[0].sessions.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if !c.nodes[0].valid(r.ID) || !c.nodes[0].remembers(r.ID) {
			t.Fatal("it is not remembered")
		}
		if err := c.nodes[1].sessions.Touch(t.Context(), []session.LastUse{{ID: r.ID, At: 120, Expires: 220}}); err != nil {
			t.Fatal(err)
		}
		if got, err := c.nodes[0].sessions.(session.CheckLoader).LoadCached(t.Context(), r.ID, 160); err != nil || got.Expires != 220 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestNothingIsCachedForLongerThanAMinute(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		if err := c.db.Sessions.Delete(t.Context(), id); err != nil { // without a fence
			t.Fatal(err)
		}
		time.Sleep(55 * time.Second)
		if !c.nodes[0].remembers(id) {
			t.Error("forgotten early")
		}
		time.Sleep(6 * time.Second)
		if c.nodes[0].valid(id) {
			t.Error("remembered for over a minute")
		}
	})
}

func TestManyMissesAskOnce(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		r := record("ann", 1)
		if err := c.nodes[0].sessions.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		m := c.nodes[0]
		time.Sleep(time.Millisecond)
		arrive := m.gate.stopBefore("Load")
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				if !m.valid(r.ID) {
					t.Error("not valid")
				}
			})
		}
		synctest.Wait()
		time.Sleep(time.Millisecond)
		arrive()
		group.Wait()
		if n := m.gate.loads(); n != 1 {
			t.Errorf("the store was asked %d times", n)
		}
	})
}

// TestUnknownTicketsEvictNoSession: unknown tickets are cached within a bound of their own.
func TestUnknownTicketsEvictNoSession(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		id := c.signIn("ann", 1)
		m := c.nodes[0]
		stranger := func(i int) (s session.ID) {
			copy(s[:], fmt.Sprintf("%016d", i))
			return s
		}
		const strangers = 100_000
		for i := range strangers {
			if m.valid(stranger(i)) {
				t.Fatal("a stranger is let in")
			}
		}
		if !m.remembers(id) {
			t.Error("the session was crowded out")
		}
		before := m.gate.loads()
		for i := range strangers {
			m.valid(stranger(i))
		}
		if kept := strangers - (m.gate.loads() - before); kept < 1000 || kept > 60_000 {
			t.Errorf("%d strangers are remembered", kept)
		}
	})
}

// TestTheCacheIsBounded fills a small cache and checks what it still has: no more than fits, and preferably entries in use.
func TestTheCacheIsBounded(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		m := c.join(nearcache.Config{MaxBytes: 1 << 20}) // half of it for sessions: about 1300
		time.Sleep(2 * hold)
		numbered := func(i int) *session.Record {
			r := record("ann", 1)
			copy(r.ID[:], fmt.Sprintf("%016d", i))
			r.PublicID = fmt.Sprint(i)
			return r
		}
		const all, used = 5000, 50
		uses, misses := 0, 0
		for i := range all {
			r := numbered(i)
			if err := m.sessions.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			m.valid(r.ID)
			if i%500 == 0 {
				time.Sleep(time.Second)
			}
			for j := range used {
				if i > used && i%20 == 0 {
					if uses++; !m.remembers(numbered(j).ID) {
						misses++
					}
				}
			}
		}
		kept, bytes := nearcache.Remembered(m.sessions)
		if kept < 700 || kept > 2000 || bytes > 1<<19 {
			t.Errorf("%d are remembered, of %d bytes", kept, bytes)
		}
		if misses > uses/100 { // one or none; if the newest were evicted, there would be five times as many
			t.Errorf("of %d uses of what is in use all the time %d missed", uses, misses)
		}
	})
}

// TestTextsThatClientsMakeUpAreWithinTheBound: a client may send another User-Agent at each sign-in.
func TestTextsThatClientsMakeUpAreWithinTheBound(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		m := c.join(nearcache.Config{MaxBytes: 1 << 20}) // half of it for sessions
		time.Sleep(2 * hold)
		const all, length = 5000, 512
		for i := range all {
			r := record("ann", 1)
			copy(r.ID[:], fmt.Sprintf("%016d", i))
			r.PublicID = fmt.Sprint(i)
			r.Agent = session.Intern(fmt.Sprintf("%0*d", length, i))
			if err := m.sessions.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			m.valid(r.ID)
		}
		if kept, _ := nearcache.Remembered(m.sessions); kept < 300 || kept*length > 1<<19 {
			t.Errorf("%d sessions are remembered, whose User-Agents alone take %d bytes", kept, kept*length)
		}
	})
}

// TestAnUnreadableMessageDropsEverything: it may have been a notice.
func TestAnUnreadableMessageDropsEverything(t *testing.T) {
	for _, text := range []string{"X", "I", "I a b", "I a b c", "I a b s:", " ", "Q a b c", "R a b", "I a b z:AAAAAAAAAAAAAAAAAAAAAA", "I a b s:AAAAAAAAAAAAAAAAAAAAAA "} {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			id := c.signIn("ann", 1)
			if err := c.nodes[0].wire.Send(t.Context(), text); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if c.nodes[0].remembers(id) {
				t.Errorf("%q changed nothing", text)
			}
		})
	}
}

// TestAnswersAreBatched: while one message with answers is being sent, the next ones are collected.
func TestAnswersAreBatched(t *testing.T) {
	inClusterWith(t, false, 12, func(t *testing.T, c *cluster) {
		var group sync.WaitGroup
		for i, m := range c.nodes {
			m.wire.set(func() { m.wire.delay = 5 * time.Millisecond })
			time.Sleep(100 * time.Microsecond)
			group.Go(func() { m.end(numbered(i)) })
		}
		group.Wait()
		answered := 0
		for _, m := range c.net.said("A") {
			answered += len(strings.Fields(m)) - 2
		}
		if n := len(c.net.said("A")); answered != 12*11 || n > answered/2 {
			t.Errorf("%d answers in %d messages", answered, n)
		}
	})
}

// TestNoticesAreShared: while one notice is being sent, the next keys are collected. Each is in a notice that was sent after
// its revocation began.
func TestNoticesAreShared(t *testing.T) {
	t.Attr("threat", "X01")
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		const ends = 1000
		c.nodes[0].wire.set(func() { c.nodes[0].wire.delay = 5 * time.Millisecond })
		var all []session.ID
		for i := range ends {
			r := record("ann", 0)
			r.ID, r.PublicID = numbered(i), fmt.Sprint("public ", i)
			if err := c.nodes[0].sessions.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			all = append(all, r.ID)
		}
		time.Sleep(hold)
		for _, id := range all {
			c.nodes[1].valid(id)
		}
		var group sync.WaitGroup
		for i, id := range all {
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
			}
			group.Go(func() {
				c.nodes[0].end(id)
				if c.nodes[1].valid(id) {
					t.Errorf("session %d is honoured by the other node", i)
				}
			})
		}
		group.Wait()
		named := 0
		for _, m := range c.net.said("I") {
			named += len(strings.Fields(m)) - 3
		}
		if n := len(c.net.said("I")); named != ends || n > ends/50 {
			t.Errorf("%d keys in %d notices", named, n)
		}
	})
}

// TestANoticeGathersUntilTheOneBeforeIsAcknowledged: what begins until then shares a notice.
func TestANoticeGathersUntilTheOneBeforeIsAcknowledged(t *testing.T) {
	inClusterWith(t, false, 3, func(t *testing.T, c *cluster) {
		c.nodes[1].wire.set(func() { c.nodes[1].wire.delay = 5 * time.Millisecond })
		var group sync.WaitGroup
		for i := range 5 {
			group.Go(func() { c.nodes[0].end(numbered(i)) })
			time.Sleep(time.Millisecond)
		}
		group.Wait()
		if n := len(c.net.said("I")); n != 2 {
			t.Errorf("%d notices", n)
		}
	})
}

// TestASilentNodeHoldsUpTheNextNoticeForMilliseconds: revocations don't wait for one that waits for a lease to run out.
func TestASilentNodeHoldsUpTheNextNoticeForMilliseconds(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		c.nodes[1].wire.freeze()
		var group sync.WaitGroup
		for i := range 2 {
			group.Go(func() { c.nodes[0].end(numbered(i)) })
			synctest.Wait()
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if n := len(c.net.said("I")); n != 2 {
			t.Errorf("%d notices after 10 ms", n)
		}
		group.Wait()
	})
}

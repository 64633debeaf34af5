package nearcache_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/token"
)

// commits is a commit counter that the test sets.
type commits struct{ all, others atomic.Uint64 }

func (c *commits) Seen() (all, others uint64, ok bool) {
	others = c.others.Load()
	return c.all.Load(), others, others != unknown
}

func (c *commits) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// unknown is the state while a commit is in progress.
const unknown = 1 << 63

// alone is one node on a database that counts its commits.
func alone(t *testing.T, story func(t *testing.T, m *member, db *memory.DB, seen *commits)) {
	synctest.Test(t, func(t *testing.T) {
		db, seen := memory.New(), &commits{}
		m := &member{t: t, gate: &gate{}, cache: nearcache.New(nearcache.Config{Commits: seen})}
		m.sessions = m.cache.Sessions(gatedSessions{db.Sessions, m.gate})
		m.accounts = m.cache.Accounts(gatedAccounts{db.Accounts, m.gate})
		if err := m.sessions.Create(t.Context(), record("ann", 1)); err != nil {
			t.Fatal(err)
		}
		seen.all.Add(1)
		time.Sleep(time.Millisecond)
		if !m.valid(ann) || !m.remembers(ann) {
			t.Fatal("not remembered")
		}
		story(t, m, db, seen)
	})
}

var ann = record("ann", 1).ID

func TestACommitOfAnotherProcessCountsAtOnce(t *testing.T) {
	alone(t, func(t *testing.T, m *member, db *memory.DB, seen *commits) {
		if err := db.Sessions.Delete(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		seen.all.Add(1)
		seen.others.Add(1)
		if m.valid(ann) {
			t.Error("what another process has ended is honoured")
		}
	})
}

// TestACommitOfAnotherProcessCountsForAccountsAndTokens checks that each is read from the store again after the commit.
func TestACommitOfAnotherProcessCountsForAccountsAndTokens(t *testing.T) {
	for _, name := range []string{"account", "token"} {
		alone(t, func(t *testing.T, m *member, db *memory.DB, seen *commits) {
			tokens := m.cache.Tokens(gatedTokens{db.Tokens, m.gate})
			u := &account.User{Username: "bob", IsActive: true, Epoch: "1"}
			r := &token.Record{ID: token.ID{1}, PublicID: "p", User: "7", Epoch: "1", Kind: token.Knox, Created: 1}
			if err := errors.Join(db.Accounts.Create(t.Context(), u), db.Tokens.Create(t.Context(), r, token.Limit{})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			counts := func() bool {
				if name == "token" {
					_, err := token.LoadCached(t.Context(), tokens, r.ID)
					return err == nil
				}
				found, err := account.LoadCached(t.Context(), m.accounts, u.ID)
				return err == nil && found.Epoch == "1"
			}
			first := counts()
			loads := m.gate.loads()
			if !first || !counts() || m.gate.loads() != loads {
				t.Fatalf("the %s is not remembered", name)
			}
			_, err := db.Accounts.Change(t.Context(), u.ID, func(u *account.User) error { u.Epoch = "2"; return nil })
			if err := errors.Join(err, db.Tokens.Delete(t.Context(), r.ID)); err != nil {
				t.Fatal(err)
			}
			seen.all.Add(1)
			seen.others.Add(1)
			if counts() {
				t.Errorf("the %s counts as it was", name)
			}
		})
	}
}

func TestAnOwnCommitKeepsOtherEntriesCached(t *testing.T) {
	alone(t, func(t *testing.T, m *member, _ *memory.DB, seen *commits) {
		if err := m.sessions.Create(t.Context(), record("bob", 2)); err != nil {
			t.Fatal(err)
		}
		seen.all.Add(1)
		if !m.remembers(ann) {
			t.Error("forgotten")
		}
	})
}

func TestWhileCommitsAreUnknownTheStoreIsAsked(t *testing.T) {
	alone(t, func(t *testing.T, m *member, _ *memory.DB, seen *commits) {
		seen.others.Store(unknown)
		if m.remembers(ann) {
			t.Error("answered from memory")
		}
		seen.others.Store(0)
		if !m.remembers(ann) {
			t.Error("forgotten")
		}
	})
}

// TestARowReadDuringACommitIsNotCached: the row may be from before the commit.
func TestARowReadDuringACommitIsNotCached(t *testing.T) {
	alone(t, func(t *testing.T, m *member, db *memory.DB, seen *commits) {
		time.Sleep(61 * time.Second)
		arrive := m.gate.stopAfter("Load")
		done := make(chan bool)
		go func() { done <- m.valid(ann) }()
		synctest.Wait()
		if err := db.Sessions.Delete(t.Context(), ann); err != nil {
			t.Fatal(err)
		}
		seen.all.Add(1) // the database reports an own commit: the cache stays valid
		arrive()
		<-done
		if m.valid(ann) {
			t.Error("a row from before the commit is honoured")
		}
	})
}

// TestNothingIsCachedWhileAnOwnWriteIsInProgress has two writes, of which one is done.
func TestNothingIsCachedWhileAnOwnWriteIsInProgress(t *testing.T) {
	alone(t, func(t *testing.T, m *member, db *memory.DB, _ *commits) {
		ended := make(chan time.Duration, 2)
		end := func() (commit func()) {
			commit = m.gate.stopBefore("Delete")
			go func() { ended <- m.end(ann) }()
			synctest.Wait()
			return commit
		}
		first, second := end(), end()
		first()
		<-ended
		if err := db.Sessions.Create(t.Context(), record("ann", 1)); err != nil { // the session that the second write ends
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if !m.valid(ann) || m.remembers(ann) {
			t.Error("kept while the second write was under way")
		}
		second()
		<-ended
		if m.valid(ann) {
			t.Error("honoured after the second")
		}
	})
}

func TestRightsAreNotCachedWhileAGroupChanges(t *testing.T) {
	alone(t, func(t *testing.T, m *member, db *memory.DB, seen *commits) {
		ctx := t.Context()
		if err := m.accounts.SetGroup(ctx, account.Group{Name: "g", Permissions: []string{"app.edit"}}); err != nil {
			t.Fatal(err)
		}
		u := &account.User{Username: "ann", IsActive: true, Groups: []string{"g"}}
		if err := m.accounts.Create(ctx, u); err != nil {
			t.Fatal(err)
		}
		seen.all.Add(2)
		time.Sleep(time.Millisecond)
		m.viewUser(u.ID)
		if err := m.accounts.DeleteGroup(ctx, "g"); err != nil {
			t.Fatal(err)
		}
		seen.all.Add(1)
		if m.viewUser(u.ID).Has("app.edit") {
			t.Error("the right is honoured")
		}
	})
}

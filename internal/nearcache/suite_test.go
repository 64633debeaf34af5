package nearcache_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// remembering are stores whose Load is answered from the cache, so that the store tests test the cache.
func remembering(c *nearcache.Cache, s store.Set) store.Set {
	s.Sessions = &sessionViews{Store: c.Sessions(s.Sessions)}
	s.Accounts = accountViews{c.Accounts(s.Accounts)}
	s.Tokens = &tokenViews{Store: c.Tokens(s.Tokens)}
	return s
}

// sessionViews compares expiry with the latest time that it was given.
type sessionViews struct {
	session.Store
	now atomic.Int64
}

func (v *sessionViews) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	r, err := v.Store.(session.CheckLoader).LoadCached(ctx, id, v.now.Load())
	if err != nil {
		return nil, err
	}
	own := *r
	own.Values = bytes.Clone(r.Values)
	return &own, nil
}

func (v *sessionViews) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	v.now.Store(max(now, v.now.Load()))
	return v.Store.DeleteExpired(ctx, now, limit)
}

type accountViews struct{ account.Store }

func (v accountViews) Load(ctx context.Context, id string) (*account.User, error) {
	u, err := account.LoadCached(ctx, v.Store, id)
	if err != nil {
		return nil, err
	}
	own := *u
	own.Groups, own.UserPermissions, own.Permissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions), slices.Clone(u.Permissions)
	return &own, nil
}

// tokenViews reloads tokens that have expired by the latest time that it was given, because a check refuses them.
type tokenViews struct {
	token.Store
	now atomic.Int64
}

func (v *tokenViews) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	r, err := v.Store.(token.CheckLoader).LoadCached(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Expires != 0 && r.Expires <= v.now.Load() {
		return v.Store.Load(ctx, id)
	}
	own := *r
	own.Scopes, own.Data = slices.Clone(r.Scopes), bytes.Clone(r.Data)
	return &own, nil
}

func (v *tokenViews) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	v.now.Store(max(now, v.now.Load()))
	return v.Store.DeleteExpired(ctx, now, limit)
}

// run runs a cache until the test ends.
func run(t *testing.T, c *nearcache.Cache) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestStoresBehindACache runs the store tests behind the cache of a node that has been connected for a while.
func TestStoresBehindACache(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (store.Set, feed.Feed){
		"memory": func(*testing.T) (store.Set, feed.Feed) {
			db := memory.New()
			return db.Set, feed.NewLocal()
		},
		"sqlite": func(t *testing.T) (store.Set, feed.Feed) {
			db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db.Set, feed.NewLocal()
		},
	} {
		if name == "sqlite" && os.Getenv("CLOAKROOM_LONG") == "" {
			continue // TestStoresBehindACacheThatCountsCommits has it, as servers do
		}
		t.Run(name, func(t *testing.T) {
			suites(t, func(t *testing.T) store.Set {
				s, f := open(t)
				c := nearcache.New(nearcache.Config{Feed: f})
				run(t, c)
				nearcache.Settle(t, c)
				return remembering(c, s)
			})
		})
	}
}

// TestStoresBehindACacheThatCountsCommits runs them on a SQLite file, whose commits the cache counts.
func TestStoresBehindACacheThatCountsCommits(t *testing.T) {
	suites(t, func(t *testing.T) store.Set {
		db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		seen, err := db.Commits(t.Context())
		if err != nil {
			if runtime.GOOS == "linux" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		c := nearcache.New(nearcache.Config{Commits: seen})
		run(t, c)
		return remembering(c, db.Set)
	})
}

func suites(t *testing.T, fresh func(t *testing.T) store.Set) {
	t.Run("sessions", func(t *testing.T) {
		storetest.Sessions(t, func(t *testing.T) session.Store { return fresh(t).Sessions })
	})
	t.Run("accounts", func(t *testing.T) {
		storetest.Accounts(t, func(t *testing.T) account.Store { return fresh(t).Accounts })
	})
	t.Run("tokens", func(t *testing.T) {
		storetest.Tokens(t, func(t *testing.T) token.Store { return fresh(t).Tokens })
	})
}

// TestEveryChangeIsFencedOrListed lists the methods of the stores. A new method goes straight to the store, past the cache, so
// its author must decide here whether it needs a fence.
func TestEveryChangeIsFencedOrListed(t *testing.T) {
	known := map[reflect.Type]string{
		reflect.TypeFor[account.Store](): "Change CreateFirst Create DeleteGroup DeleteAllSecrets Delete FindReset Find Groups List Load NoteSignIn SetGroup SetReset SetSetup SpendReset Transact",
		reflect.TypeFor[session.Store](): "Create DeleteExpired DeleteUser Delete List Load Replace Touch",
		reflect.TypeFor[token.Store]():   "Create DeleteExpired DeleteUser Delete List Load Replace Touch",
	}
	for store, names := range known {
		for method := range store.Methods() {
			if !slices.Contains(strings.Fields(names), method.Name) {
				t.Errorf("%s.%s is new: does it revoke anything that is cached?", store, method.Name)
			}
		}
	}
}

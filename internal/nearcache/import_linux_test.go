package nearcache_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/store"
)

// BenchmarkManyUsers imports 10,000 users into PostgreSQL on three nodes, imports all of them once more as disabled users, and then
// disables as many one by one, from 32 clients.
func BenchmarkManyUsers(b *testing.B) {
	const users = 10_000
	url := pgserver.TestServer(b).URL("postgres")
	db, err := postgres.Open(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	b.Cleanup(func() { stop(); running.Wait() })
	var caches []*nearcache.Cache
	for range 3 {
		f, err := pg.NewFeed(url)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { f.Close() })
		c := nearcache.New(nearcache.Config{Feed: f})
		running.Go(func() { _ = c.Run(ctx) })
		nearcache.Settle(b, c)
		caches = append(caches, c)
	}
	accounts := caches[0].Accounts(db.Accounts)
	importer := caches[0].Importer(db.Accounts.(store.Importer))
	for b.Loop() {
		var all []store.ImportedUser
		source := fmt.Sprint("source", b.Elapsed())
		for i := range users {
			name := fmt.Sprintf("%s-%d", source, i)
			all = append(all, store.ImportedUser{Source: source, ID: fmt.Sprint(i + 1), User: account.User{Username: name, Email: name + "@example.com", IsActive: true}})
		}
		took := func(what string, do func() error) {
			began := time.Now()
			if err := do(); err != nil {
				b.Fatal(what, err)
			}
			b.ReportMetric(time.Since(began).Seconds(), what+"-s")
		}
		var results []store.ImportResult
		took("new", func() (err error) {
			results, err = importer.Import(ctx, all, true, nil)
			return err
		})
		for i := range all {
			all[i].User.IsActive = false
		}
		took("changed", func() error { _, err := importer.Import(ctx, all, true, nil); return err })
		took("one-by-one", func() error {
			each(32, users, func(i int) {
				if _, err := accounts.Change(ctx, results[i].User.ID, func(u *account.User) error { u.IsActive = true; return nil }); err != nil {
					b.Error(err)
				}
			})
			return nil
		})
	}
}

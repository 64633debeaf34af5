package nearcache_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/peerlink"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
)

// BenchmarkSignOut measures the end of a session that every node has cached: p50 and p99 in milliseconds, and the same for
// the write alone.
func BenchmarkSignOut(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) (session.Store, func() feed.Feed){
		"postgres": openPostgres,
		"redis":    openRedis,
	} {
		for _, nodes := range []int{1, 3, 8} {
			b.Run(fmt.Sprintf("%s/%d", name, nodes), func(b *testing.B) {
				store, join := open(b)
				var all []session.Store
				ctx, stop := context.WithCancel(context.Background())
				done := make(chan error, nodes)
				for range nodes {
					c := nearcache.New(benchConfig(b, join()))
					go func() { done <- c.Run(ctx) }()
					nearcache.Settle(b, c)
					all = append(all, c.Sessions(store))
				}
				fenced, bare := make([]time.Duration, 0, b.N), make([]time.Duration, 0, b.N)
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					bare = append(bare, endOne(b, store, nil, store, 2*i+1))
					fenced = append(fenced, endOne(b, store, all, all[i%nodes], 2*i))
					b.StartTimer()
				}
				for name, took := range map[string][]time.Duration{"": fenced, "bare-": bare} {
					slices.Sort(took)
					b.ReportMetric(float64(took[len(took)/2])/1e6, name+"p50-ms")
					b.ReportMetric(float64(took[len(took)*99/100])/1e6, name+"p99-ms")
				}
				stop()
				for range nodes {
					<-done
				}
			})
		}
	}
}

// BenchmarkSignOuts measures how many sessions, which every node has cached, several clients end per second on three nodes,
// beside bare messages of as many clients on the same feed.
func BenchmarkSignOuts(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) (session.Store, func() feed.Feed){
		"postgres": openPostgres,
		"redis":    openRedis,
	} {
		for _, clients := range []int{1, 16, 32} {
			b.Run(fmt.Sprintf("%s/%d", name, clients), func(b *testing.B) {
				store, join := open(b)
				var all []session.Store
				ctx, stop := context.WithCancel(context.Background())
				done := make(chan error, 3)
				for range 3 {
					c := nearcache.New(benchConfig(b, join()))
					go func() { done <- c.Run(ctx) }()
					nearcache.Settle(b, c)
					all = append(all, c.Sessions(store))
				}
				for i := range b.N {
					r := record("ann", 0)
					r.ID, r.PublicID = numbered(i), fmt.Sprint("public", i)
					if err := store.Create(b.Context(), r); err != nil {
						b.Fatal(err)
					}
					for _, s := range all {
						if _, err := s.(session.CheckLoader).LoadCached(b.Context(), r.ID, 1); err != nil {
							b.Fatal(err)
						}
					}
				}
				var mu sync.Mutex
				var took []time.Duration
				b.ResetTimer()
				each(clients, b.N, func(i int) {
					began := time.Now()
					if err := all[i%len(all)].Delete(b.Context(), numbered(i)); err != nil {
						b.Error(err)
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				})
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-outs/s")
				b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
				b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
				senders := []feed.Feed{join(), join(), join()}
				began := time.Now()
				each(clients, b.N, func(i int) {
					if err := senders[i%3].Send(b.Context(), fmt.Sprint("P bare ", i)); err != nil {
						b.Error(err)
					}
				})
				b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "bare-notices/s")
				stop()
				for range 3 {
					<-done
				}
			})
		}
	}
}

// benchConfig is a node with a direct way to others, unless the variable CLOAKROOM_FEED_ALONE is set.
func benchConfig(b *testing.B, f feed.Feed) nearcache.Config {
	config := nearcache.Config{Feed: f}
	if os.Getenv("CLOAKROOM_FEED_ALONE") == "" {
		link, err := peerlink.Open("127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { link.Close() })
		config.Direct = link
	}
	return config
}

// each calls do for 0 to n-1, from several clients.
func each(clients, n int, do func(int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				do(i)
			}
		})
	}
	group.Wait()
}

func endOne(b *testing.B, store session.Store, all []session.Store, by session.Store, n int) time.Duration {
	r := record("ann", 0)
	r.ID, r.PublicID = numbered(n), fmt.Sprint("public", n)
	if err := store.Create(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	for _, s := range all {
		if _, err := s.(session.CheckLoader).LoadCached(b.Context(), r.ID, 1); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	b.StartTimer() // so that the time of the benchmark is that of the ends
	if err := by.Delete(b.Context(), r.ID); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	b.StopTimer()
	return took
}

func openPostgres(b *testing.B) (session.Store, func() feed.Feed) {
	url := pgserver.TestServer(b).URL("postgres")
	db, err := postgres.Open(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db.Sessions, func() feed.Feed {
		f, err := pg.NewFeed(url)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { f.Close() })
		return f
	}
}

func openRedis(b *testing.B) (session.Store, func() feed.Feed) {
	server, err := redisserver.New(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Kill)
	open := func() *redisdb.DB {
		db, err := redisdb.Open(b.Context(), server.URL())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { db.Close() })
		return db
	}
	return open().Sessions, func() feed.Feed { return open().Feed() }
}

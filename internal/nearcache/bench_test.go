package nearcache_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// benchNode returns stores behind a cache that is kept valid by a feed or by a database's commits.
func benchNode(b testing.TB, file bool) (c *nearcache.Cache, stop func()) {
	b.Helper()
	config := nearcache.Config{Feed: feed.NewLocal(), MaxBytes: 16 << 30}
	if file {
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "db"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { db.Close() })
		commits, err := db.Commits(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		config.Feed, config.Commits = nil, commits
	}
	c = nearcache.New(config)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	return c, func() {
		cancel()
		<-done
	}
}

// manySessions is a store that makes up its sessions, so that only the memory of the cache is measured. They were begun with two
// factors, which the record names.
type manySessions struct {
	session.Store
	loads *atomic.Int64
}

func numbered(n int) (id session.ID) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	for i := 0; i < len(id); i += 8 {
		binary.LittleEndian.PutUint64(id[i:], r.Uint64())
	}
	return id
}

func (s manySessions) Load(_ context.Context, id session.ID) (*session.Record, error) {
	s.loads.Add(1)
	n := binary.LittleEndian.Uint64(id[:]) % 1_000_000
	return &session.Record{
		ID: id, PublicID: fmt.Sprintf("%026d", n), User: strconv.FormatUint(n, 10), Epoch: fmt.Sprintf("%026d", n), Method: session.Intern("password"),
		Created: 1, ReauthenticatedAt: 1, SecondAt: 1, Methods: session.Intern("pwd otp mfa"), Seen: 1, Idle: 1 << 40, Deadline: 1 << 40, Expires: 1 << 40, IP: "192.0.2.117",
		Agent: session.Intern("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" + strconv.FormatUint(n%300, 10)), Version: fmt.Sprintf("%016d", n),
	}, nil
}

// crowd is a cache with n sessions.
type crowd struct {
	view  session.CheckLoader
	ids   []session.ID
	loads atomic.Int64
	bytes float64 // the growth of the process per session
}

// remember fills a cache. If filling takes longer than an entry may be served, it makes all entries as young as the last
// one.
func remember(tb testing.TB, c *nearcache.Cache, n int) *crowd {
	tb.Helper()
	all := &crowd{ids: make([]session.ID, n)}
	all.view = c.Sessions(manySessions{loads: &all.loads}).(session.CheckLoader)
	for i := range all.ids {
		all.ids[i] = numbered(i)
	}
	nearcache.Settle(tb, c)
	before := heap()
	for _, id := range all.ids {
		if _, err := all.view.LoadCached(tb.Context(), id, 1); err != nil {
			tb.Fatal(err)
		}
	}
	if n <= 1_000_000 { // checking more takes too long
		all.bytes = float64(heap()-before) / float64(n)
	}
	nearcache.Renew(c, all.view.(session.Store))
	all.loads.Store(0)
	return all
}

// check checks one random session.
func (all *crowd) check(tb testing.TB, ctx context.Context) {
	if _, err := all.view.LoadCached(ctx, all.ids[rand.IntN(len(all.ids))], 1); err != nil {
		tb.Fatal(err)
	}
}

// sizes are the numbers of sessions in the cache.
func sizes() []int {
	if raceDetector {
		return []int{1000}
	}
	if os.Getenv("CLOAKROOM_LONG") != "" {
		return []int{1000, 1_000_000, 10_000_000}
	}
	return []int{1000, 1_000_000}
}

// BenchmarkView measures a check of a session that is in the cache; bytes/session is the growth of the process per session.
func BenchmarkView(b *testing.B) {
	for _, n := range sizes() {
		for name, file := range map[string]bool{"feed": false, "sqlite": true} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				c, stop := benchNode(b, file)
				defer stop()
				all := remember(b, c, n)
				ctx := context.Background()
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					all.check(b, ctx)
				}
				b.ReportMetric(all.bytes, "B/session")
				b.ReportMetric(float64(all.loads.Load())/float64(b.N), "loads/op")
			})
		}
	}
}

// TestACheckFromMemoryAllocatesNothing for caches of several sizes, on a feed and on a file.
func TestACheckFromMemoryAllocatesNothing(t *testing.T) {
	sizes := sizes()
	if os.Getenv("CLOAKROOM_LONG") == "" {
		sizes = []int{1000, 50_000}
	}
	for _, n := range sizes {
		for name, file := range map[string]bool{"feed": false, "sqlite": true} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				c, stop := benchNode(t, file)
				defer stop()
				all := remember(t, c, n)
				ctx := context.Background()
				if allocs := testing.AllocsPerRun(100_000, func() { all.check(t, ctx) }); allocs != 0 && !raceDetector {
					t.Errorf("%v allocations for each check", allocs)
				}
				if loads := all.loads.Load(); loads != 0 {
					t.Errorf("%d checks have asked the store", loads)
				}
			})
		}
	}
}

// TestASessionTakesLittleMemory, also one that was begun with two factors. The map of a cache may be half empty, which costs 20 bytes each.
func TestASessionTakesLittleMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector keeps more")
	}
	for name, file := range map[string]bool{"feed": false, "sqlite": true} {
		t.Run(name, func(t *testing.T) {
			c, stop := benchNode(t, file)
			defer stop()
			if all := remember(t, c, 100_000); all.bytes > 400 || all.bytes < 200 {
				t.Errorf("a session takes %.0f bytes", all.bytes)
			} else {
				t.Logf("a session takes %.0f bytes", all.bytes)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCheck measures a request that asks for its user: with a cookie, and with an account behind the session.
func BenchmarkCheck(b *testing.B) {
	for name, remembers := range map[string]bool{"memory": true, "store": false} {
		b.Run(name, func(b *testing.B) {
			db := memory.New()
			sessions, accounts := db.Sessions, db.Accounts
			if remembers {
				c := nearcache.New(nearcache.Config{Feed: feed.NewLocal()})
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error)
				go func() { done <- c.Run(ctx) }()
				defer func() { cancel(); <-done }()
				sessions, accounts = c.Sessions(sessions), c.Accounts(accounts)
				nearcache.Settle(b, c)
			}
			u := &account.User{Username: "ann", IsActive: true, Epoch: "1"}
			if err := db.Accounts.Create(b.Context(), u); err != nil {
				b.Fatal(err)
			}
			m := &session.Manager{Store: sessions}
			resolver := auth.New(auth.Config{Sessions: m, Accounts: accounts})
			w := httptest.NewRecorder()
			if _, err := m.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: u.ID, Epoch: "1", Method: "password"}); err != nil {
				b.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			r := httptest.NewRequest("GET", "/", nil)
			r.AddCookie(w.Result().Cookies()[0])
			h := resolver.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if i, err := auth.FromContext(r.Context()); i == nil || err != nil {
					b.Fatal(i, err)
				}
			}))
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nil, r)
			}
		})
	}
}

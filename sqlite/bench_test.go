package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

const many = 5_000

// benchStores are the stores to measure.
type benchStores struct {
	sessions session.Store
	accounts account.Store
}

// eachStore runs a benchmark with many sessions and users, in memory and on the disk.
func eachStore(b *testing.B, measure func(b *testing.B, s benchStores)) {
	db, m := open(b, filepath.Join(b.TempDir(), "cloakroom.db")), memory.New()
	_, write := db.Pools()
	for _, mode := range []string{"OFF", "FULL"} { // only the filling may be fast
		if _, err := write.Exec("PRAGMA synchronous = " + mode); err != nil {
			b.Fatal(err)
		}
		if mode == "OFF" {
			fillStores(b, benchStores{db.Sessions, db.Accounts})
		}
	}
	fillStores(b, benchStores{m.Sessions, m.Accounts})
	b.Run("sqlite", func(b *testing.B) { measure(b, benchStores{db.Sessions, db.Accounts}) })
	b.Run("memory", func(b *testing.B) { measure(b, benchStores{m.Sessions, m.Accounts}) })
}

func fillStores(b *testing.B, s benchStores) {
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	must(s.accounts.SetGroup(b.Context(), account.Group{Name: "staff", Permissions: []string{"app.see", "app.do"}}))
	for n := range many {
		r := ticket(n)
		r.Values = []byte(`{"theme":"dark"}`)
		must(s.sessions.Create(b.Context(), r))
		u := &account.User{Username: fmt.Sprint("user", n), Email: fmt.Sprintf("user%d@example.org", n), IsActive: true}
		if n%2 == 1 {
			u.Groups, u.UserPermissions = []string{"staff"}, []string{"app.more"}
		}
		must(s.accounts.Create(b.Context(), u))
	}
}

func BenchmarkSessionLoad(b *testing.B) {
	eachStore(b, func(b *testing.B, s benchStores) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := s.sessions.Load(b.Context(), ticketID(n%many)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSessionLoadParallel(b *testing.B) {
	eachStore(b, func(b *testing.B, s benchStores) {
		b.ReportAllocs()
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.sessions.Load(b.Context(), ticketID(int(n.Add(1)%many))); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkAccountLoad(b *testing.B) {
	for name, odd := range map[string]int{"plain": 0, "with groups": 1} {
		b.Run(name, func(b *testing.B) {
			eachStore(b, func(b *testing.B, s benchStores) {
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if _, err := s.accounts.Load(b.Context(), fmt.Sprint(n%(many/2)*2+odd+1)); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkSessionCreateAndDelete(b *testing.B) {
	eachStore(b, func(b *testing.B, s benchStores) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.sessions.Create(b.Context(), ticket(many)); err != nil {
				b.Fatal(err)
			}
			if err := s.sessions.Delete(b.Context(), ticketID(many)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

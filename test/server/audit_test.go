package server_test

import (
	"database/sql"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestNoKillLeavesAnActUnrecorded kills the server again and again while an administrator deletes users. The audit log must
// have every user who is deleted afterwards, acknowledged or not, and the administrator.
func TestNoKillLeavesAnActUnrecorded(t *testing.T) {
	t.Attr("threat", "L01")
	s := start(t)
	boss := s.person("boss")
	s.run("user", "set", "boss0", "--superuser", "--staff")
	users := s.people("kim", 900)
	ticket := s.signedIn("boss0").ticket()
	lives := 6
	if long {
		lives = 60
		users = append(users, s.people("lee", 9000)...)
	}
	perLife := len(users) / lives
	cut := 0
	for life := range lives {
		due := make(chan *account.User, perLife)
		for _, u := range users[life*perLife : (life+1)*perLife] {
			due <- u
		}
		close(due)
		var acknowledged atomic.Int32
		var clients sync.WaitGroup
		killed := make(chan struct{})
		kill := sync.OnceFunc(func() {
			time.AfterFunc(rand.N(100*time.Millisecond), func() {
				defer close(killed)
				s.kill()
			})
		})
		for range 24 {
			clients.Go(func() {
				for u := range due {
					a, err := s.holding(ticket).send("DELETE", "/api/auth/admin/users/"+u.ID, nil)
					if err != nil {
						return
					}
					if a.status == 200 {
						acknowledged.Add(1)
						kill()
					}
				}
			})
		}
		clients.Wait()
		if acknowledged.Load() == 0 {
			t.Fatal("no user could be deleted")
		}
		<-killed
		if n := int(acknowledged.Load()); n > 0 && n < perLife {
			cut++
		}
		s.start()
	}
	if cut == 0 {
		t.Error("the server was never killed in the middle of things")
	}
	s.stop()
	db := s.open()
	gone := 0
	for _, u := range users {
		if count(t, db, `SELECT COUNT(*) FROM users WHERE id = ?`, u.ID) > 0 {
			continue
		}
		gone++
		if count(t, db, `SELECT COUNT(*) FROM audit WHERE name = 'authz_admin' AND outcome = 'attempt' AND subject = ? AND actor = ?`, u.ID, boss.ID) != 1 {
			t.Errorf("user %s is gone, and nothing says so", u.ID)
		}
	}
	t.Logf("%d of %d users are gone, %d lives of %d ended in the middle", gone, len(users), cut, lives)
	whole(t, s.database())
}

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

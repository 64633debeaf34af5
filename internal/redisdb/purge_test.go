package redisdb_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// dead makes sessions and counters that have expired at 100.
func dead(t *testing.T, db *redisdb.DB, n int) {
	t.Helper()
	for i := range n {
		must(t, db.Sessions.Create(t.Context(), ticket(i, 100)))
		must(t, db.Throttles.Update(t.Context(), []string{fmt.Sprint("c", i)}, func(c []throttle.Counter) error { c[0].Tries, c[0].Ends = 1, 100; return nil }))
	}
}

// purges are the two kinds of purging.
func purges(db *redisdb.DB) map[string]func(context.Context, int64, int) (int, error) {
	return map[string]func(context.Context, int64, int) (int, error){
		"sessions": db.Sessions.DeleteExpired, "counters": db.Throttles.DeleteExpired,
	}
}

// TestOnePurgesAtATime: while one node finds as much as its limit, another deletes nothing.
func TestOnePurgesAtATime(t *testing.T) {
	empty(t)
	one, other := open(t, shared.URL()), open(t, shared.URL())
	dead(t, one, 10)
	for name := range purges(one) {
		purge := func(db *redisdb.DB, limit, want int, when string) {
			t.Helper()
			if n, err := purges(db)[name](t.Context(), 1000, limit); err != nil || n != want {
				t.Errorf("%s, %s: %d are gone, %v; want %d", name, when, n, err, want)
			}
		}
		purge(one, 4, 4, "the first turn")
		purge(other, 4, 0, "the other node in between")
		purge(one, 4, 4, "the second turn")
		purge(other, 100, 0, "the other node in between")
		purge(one, 0, 0, "a turn that may take nothing")
		purge(other, 1, 1, "the other node, to which it was left")
		purge(other, 100, 1, "the rest")
		purge(one, 100, 0, "when all is done")
	}
	if n := keys(t, raw(t, shared.Addr)); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

const purgerVariable = "CLOAKROOM_TEST_PURGER"

// bePurger purges for ever, always up to its limit, and reports its start.
func bePurger(url string) int {
	db, err := redisdb.Open(context.Background(), url)
	for n := 0; err == nil; {
		if n, err = db.Sessions.DeleteExpired(context.Background(), 1000, 2); n == 2 {
			fmt.Println("at it")
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// TestAnotherNodePurgesWhenThePurgerIsKilled has three processes that purge. One purges and the others wait; it is killed, and
// one of these takes over.
func TestAnotherNodePurgesWhenThePurgerIsKilled(t *testing.T) {
	empty(t)
	db := open(t, shared.URL())
	dead(t, db, 2000) // more than they can delete
	turns := make(chan *exec.Cmd)
	ctx, stop := context.WithCancel(t.Context())
	for range 3 {
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), purgerVariable+"="+shared.URL())
		out, err := p.StdoutPipe()
		must(t, err)
		must(t, p.Start())
		t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
		go func() {
			line := make([]byte, len("at it\n"))
			for {
				if _, err := out.Read(line); err != nil {
					return
				}
				select {
				case turns <- p:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	defer stop()
	first := <-turns
	for range 50 {
		if next := <-turns; next != first {
			t.Fatal("two are at it")
		}
	}
	must(t, first.Process.Kill())
	killed := time.Now()
	late := time.After(2 * time.Minute)
	for next := first; next == first; {
		select {
		case next = <-turns:
		case <-late:
			t.Fatal("no other node has continued the purge")
		}
	}
	t.Logf("another has gone on after %v", time.Since(killed).Round(time.Millisecond))
	left, err := db.Sessions.List(t.Context(), session.Query{})
	must(t, err)
	if len(left) == 0 || len(left) == 2000 {
		t.Errorf("%d sessions are left", len(left))
	}
}

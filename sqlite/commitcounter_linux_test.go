package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

func countCommits(t *testing.T, db *sqlite.DB) sqlite.CommitCounter {
	t.Helper()
	c, err := db.Commits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// seen returns the counts, which must be known.
func seen(t *testing.T, c sqlite.CommitCounter) (all, others uint64) {
	t.Helper()
	all, others, ok := c.Seen()
	if !ok {
		t.Fatal("the counts aren't known")
	}
	return all, others
}

// TestCommitsOfOthersAreSeenAtOnce lets another process commit many times. After each of its answers the commit must be counted.
func TestCommitsOfOthersAreSeenAtOnce(t *testing.T) {
	t.Attr("threat", "X02")
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	c := countCommits(t, open(t, path))
	other := start(t, "echo", path)
	other.tell("load 0")
	for n := range 500 {
		_, before := seen(t, c)
		if answer := other.tell(fmt.Sprint("create ", n)); answer != "ok" {
			t.Fatal(answer)
		}
		if _, others := seen(t, c); others == before {
			t.Fatalf("commit %d was not seen", n)
		}
		_, before = seen(t, c)
		other.tell(fmt.Sprint("load ", n))
		if _, others := seen(t, c); others != before {
			t.Fatalf("a read was taken for a commit")
		}
	}
	_, before := seen(t, c)
	other.cmd.Process.Kill()
	other.cmd.Wait()
	if _, others := seen(t, c); others != before {
		t.Error("the death of a process was taken for a commit")
	}
}

// TestCommitsOfForeignToolsAreSeen lets another program, Python, commit.
func TestCommitsOfForeignToolsAreSeen(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("this test needs python3: %v", err)
	}
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	c := countCommits(t, open(t, path))
	_, before := seen(t, c)
	script := "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('delete from sessions'); d.execute(\"update users set first_name = 'x'\"); d.commit(); d.execute('create table t (a)'); d.commit()"
	if out, err := exec.Command(python, "-c", script, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, others := seen(t, c); others == before {
		t.Error("it was not seen")
	}
}

func TestItsOwnCommitsAreNotThoseOfOthers(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	c := countCommits(t, db)
	ctx := t.Context()
	last, before := seen(t, c)
	for name, do := range map[string]func(n int) error{
		"one statement": func(n int) error { return db.Sessions.Create(ctx, ticket(n)) },
		"a transaction": func(n int) error { return db.Accounts.Create(ctx, &account.User{Username: fmt.Sprint("user", n)}) },
		"a deletion":    func(n int) error { return db.Sessions.Delete(ctx, ticketID(n)) },
		"a small one":   func(int) error { return db.Ping(ctx) },
		"counters": func(int) error {
			return db.Throttles.Update(ctx, []string{"k"}, func(c []throttle.Counter) error { c[0].Tries++; return nil })
		},
		"a failing one": func(n int) error { return unless(db.Accounts.Delete(ctx, "99999"), account.ErrNotFound) },
		"one rolled back": func(n int) error {
			_, err := db.Accounts.Change(ctx, "1", func(*account.User) error { return errAsked })
			return unless(unless(err, errAsked), account.ErrNotFound)
		},
		"one with a log of many pages": func(n int) error {
			r := ticket(n + 5000)
			r.Values = make([]byte, 300_000)
			return db.Sessions.Create(ctx, r)
		},
	} {
		for n := range 30 {
			if err := do(n); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all, others := seen(t, c)
			if others != before {
				t.Fatalf("%s: counted as a commit of another process", name)
			}
			last = all
		}
	}
	if last < 150 {
		t.Errorf("%d commits were counted", last)
	}
}

var errAsked = errors.New("asked for")

func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// TestCommitsBetweenItsOwnAreSeen lets this process and another commit concurrently. No commit of the other may be taken for one
// of this process.
func TestCommitsBetweenItsOwnAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db := open(t, path)
	c := countCommits(t, db)
	other := start(t, "echo", path)
	other.tell("load 0")
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			if err := db.Ping(context.Background()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Duration(n%10) * 100 * time.Microsecond) // the other must find its turn
		}
	})
	for n := range 300 {
		before := othersSoon(t, c)
		if answer := other.tell(fmt.Sprint("create ", n)); answer != "ok" {
			t.Error(answer)
			break
		}
		if _, others, ok := c.Seen(); ok && others == before {
			t.Errorf("commit %d was not seen", n)
			break
		}
		if othersSoon(t, c) == before {
			t.Errorf("commit %d was taken for one of its own", n)
			break
		}
	}
	close(end)
	group.Wait()
}

// othersSoon waits until the count is known.
func othersSoon(t *testing.T, c sqlite.CommitCounter) uint64 {
	t.Helper()
	for began := time.Now(); time.Since(began) < 60*time.Second; runtime.Gosched() {
		if _, others, ok := c.Seen(); ok {
			return others
		}
	}
	t.Fatal("the counts aren't known after 60 s")
	return 0
}

// TestTwoHandlesOfOneProcessCountEachOthersCommits: each counts the other's commits as foreign, and keeps SQLite's locks when the
// other is closed.
func TestTwoHandlesOfOneProcessCountEachOthersCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	first, second := open(t, path), open(t, path)
	c := countCommits(t, first)
	countCommits(t, second)
	_, before := seen(t, c)
	if err := second.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, others := seen(t, c); others == before {
		t.Error("not seen")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	held, err := exec.Command("sh", "-c", "grep -c \":$(stat -c %i '"+path+"-shm') \" /proc/locks").CombinedOutput()
	if string(held) == "0\n" {
		t.Errorf("this process holds no lock any more: %s %v", held, err)
	}
}

// TestTheRemovalOfTheIndexIsNoticed: after the index or the file has been removed, other processes use a new one, so the counts must
// become unknown.
func TestTheRemovalOfTheIndexIsNoticed(t *testing.T) {
	for _, ending := range []string{"-shm", ""} {
		path := filepath.Join(t.TempDir(), "cloakroom.db")
		c := countCommits(t, open(t, path))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.Run(ctx)
		if err := os.Remove(path + ending); err != nil {
			t.Fatal(err)
		}
		if !unknownSoon(c) {
			t.Errorf("that there is no file %q was not noticed", "cloakroom.db"+ending)
		}
	}
}

func unknownSoon(c sqlite.CommitCounter) bool {
	for began := time.Now(); time.Since(began) < 60*time.Second; time.Sleep(10 * time.Millisecond) {
		if _, _, ok := c.Seen(); !ok {
			return true
		}
	}
	return false
}

func BenchmarkCommitsSeen(b *testing.B) {
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "cloakroom.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	c, err := db.Commits(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := c.Seen(); !ok {
			b.Fatal("unknown")
		}
	}
}

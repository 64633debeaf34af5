package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// childEchoes runs "create N", "delete N" and "load N", and answers each with "ok" or the error.
func childEchoes(ctx context.Context, path string) error {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var verb string
		var n int
		if _, err := fmt.Sscan(lines.Text(), &verb, &n); err != nil {
			return err
		}
		answer := "ok"
		if err := do(ctx, db.Sessions, verb, n); err != nil {
			answer = err.Error()
		}
		fmt.Println(answer)
	}
	return db.Close()
}

func do(ctx context.Context, s session.Store, verb string, n int) (err error) {
	switch verb {
	case "create":
		return s.Create(ctx, ticket(n))
	case "delete":
		return s.Delete(ctx, ticketID(n))
	}
	_, err = s.Load(ctx, ticketID(n))
	return err
}

func TestProcessesSeeEachOthersCommitsWithTheirNextRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	s := open(t, path).Sessions
	other := start(t, "echo", path)
	for n := range 100 {
		if err := s.Create(t.Context(), ticket(n)); err != nil {
			t.Fatal(err)
		}
		if answer := other.tell(fmt.Sprint("load ", n)); answer != "ok" {
			t.Fatalf("the other process does not see session %d: %s", n, answer)
		}
		if answer := other.tell(fmt.Sprint("delete ", n)); answer != "ok" {
			t.Fatal(answer)
		}
		if _, err := s.Load(t.Context(), ticketID(n)); !errors.Is(err, session.ErrNotFound) {
			t.Fatalf("the other process deleted session %d; Load returns %v", n, err)
		}
		if answer := other.tell(fmt.Sprint("create ", n)); answer != "ok" {
			t.Fatal(answer)
		}
		if _, err := s.Load(t.Context(), ticketID(n)); err != nil {
			t.Fatal(err)
		}
	}
	other.end()
}

func TestProcessesWriteSideBySide(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	s := open(t, path).Sessions
	others := []*child{start(t, "echo", path), start(t, "echo", path)}
	const each = 60
	var all sync.WaitGroup
	for i, other := range others {
		all.Go(func() {
			for n := range each {
				if answer := other.tell(fmt.Sprint("create ", (i+1)*1_000+n)); answer != "ok" {
					t.Error(answer)
				}
			}
		})
	}
	for n := range each {
		if err := s.Create(t.Context(), ticket(n)); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	for _, other := range others {
		other.end()
	}
	if found, err := s.List(t.Context(), session.Query{}); err != nil || len(found) != 3*each {
		t.Fatalf("%d sessions, want %d (%v)", len(found), 3*each, err)
	}
}

func TestProcessesThatStartTogetherAllSucceed(t *testing.T) {
	for range 8 {
		path := filepath.Join(t.TempDir(), "new", "cloakroom.db")
		var all []*child
		for range 8 {
			all = append(all, start(t, "open", path))
		}
		for _, c := range all {
			c.in.Close()
		}
		for _, c := range all {
			c.end()
		}
		if pending, err := sqlite.Pending(t.Context(), path); err != nil || len(pending) > 0 {
			t.Fatalf("%q is pending (%v)", pending, err)
		}
	}
}

func TestManyOpenOneFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	var all sync.WaitGroup
	for n := range 12 {
		all.Go(func() {
			db, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if err := db.Sessions.Create(t.Context(), ticket(n)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if found, err := open(t, path).Sessions.List(t.Context(), session.Query{}); err != nil || len(found) != 12 {
		t.Fatalf("%d sessions, want 12 (%v)", len(found), err)
	}
}

// childTrades uses the database until it is killed, and prints what it begins and each answer.
func childTrades(ctx context.Context, path string) error {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for client := range 4 {
		all.Go(func() {
			for n := client; ; n += 4 {
				n := n + os.Getpid()*10_000
				fmt.Printf("begin %d\n", n)
				if err := db.Sessions.Create(ctx, ticket(n)); err != nil {
					panic(err)
				}
				fmt.Printf("created %d\n", n)
				if n%3 == 0 {
					fmt.Printf("begin %d\n", n)
					if err := db.Sessions.Delete(ctx, ticketID(n)); err != nil {
						panic(err)
					}
					fmt.Printf("deleted %d\n", n)
				}
			}
		})
	}
	all.Wait()
	return nil
}

// TestAcknowledgedWritesSurviveAKill kills processes that use a database, and opens it afterwards.
func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	t.Attr("threat", "B5")
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	known := map[int]string{}
	for range 10 {
		c := start(t, "trade", path)
		time.AfterFunc(50*time.Millisecond+rand.N(150*time.Millisecond), func() { c.cmd.Process.Kill() })
		var said bytes.Buffer
		c.out.WriteTo(&said)
		c.cmd.Wait()
		for line := range strings.Lines(said.String()) {
			var word string
			var n int
			if _, err := fmt.Sscanln(line, &word, &n); err == nil && strings.HasSuffix(line, "\n") {
				known[n] = word
			}
		}
		holdsAll(t, path, known)
	}
	t.Logf("%d sessions were traded", len(known))
	if len(known) < 100 {
		t.Error("that is too few to tell")
	}
}

func holdsAll(t *testing.T, path string, known map[int]string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for n, word := range known {
		switch _, err := db.Sessions.Load(t.Context(), ticketID(n)); {
		case word == "created" && err != nil:
			t.Fatalf("session %d was created: %v", n, err)
		case word == "deleted" && !errors.Is(err, session.ErrNotFound):
			t.Fatalf("session %d was deleted: Load returns %v", n, err)
		}
	}
}

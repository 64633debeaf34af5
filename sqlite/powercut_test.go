//go:build linux

package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// ledger is the acknowledged state of sessions. A session with a call in progress may exist or not.
type ledger struct {
	mu      sync.Mutex
	entries map[int]entry
}

type entry struct {
	there bool // as last acknowledged
	calls int  // begun
	open  int  // begun and not answered
}

// note makes a call about session n and records the answer.
func (l *ledger) note(n int, there bool, call func() error) error {
	l.set(n, func(e *entry) { e.calls++; e.open++ })
	err := call()
	l.set(n, func(e *entry) {
		e.open--
		if err == nil {
			e.there = there
		}
	})
	return err
}

func (l *ledger) set(n int, change func(e *entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[n]
	change(&e)
	l.entries[n] = e
}

func (l *ledger) copy() map[int]entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := map[int]entry{}
	for n, e := range l.entries {
		entries[n] = e
	}
	return entries
}

// certain returns what must be on a disk that was read between before and after.
func certain(before, after map[int]entry) map[int]bool {
	sure := map[int]bool{}
	for n, e := range before {
		if e.open == 0 && e == after[n] {
			sure[n] = e.there
		}
	}
	return sure
}

// trade lets clients create and delete sessions until stop.
func trade(ctx context.Context, t *testing.T, s session.Store, l *ledger, clients int) {
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			random := newRandom(uint64(client))
			for n := client; ctx.Err() == nil; n += clients {
				r := ticket(n)
				err := l.note(n, true, func() error { return s.Create(context.WithoutCancel(ctx), r) })
				if victim := random.IntN(n+1)/clients*clients + client; err == nil && n%2 == 1 {
					err = l.note(victim, false, func() error { return s.Delete(context.WithoutCancel(ctx), ticketID(victim)) })
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// accident is a power cut: what the disk holds, and what must be on it.
type accident struct {
	wreck wreck
	sure  map[int]bool
}

// cutPower lets clients use a database and cuts its power n times, at random writes.
func cutPower(t *testing.T, d *disk, cuts int) []accident {
	t.Helper()
	dir := t.TempDir()
	watch(t, dir, d)
	db := open(t, filepath.Join(dir, "cloakroom.db"))
	checkpointOften(t, db)
	l := &ledger{entries: map[int]entry{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	random := newRandom(3)
	var accidents []accident
	next := 0
	d.mu.Lock()
	d.after = func(writes int) {
		if writes < next || len(accidents) == cuts {
			return
		}
		next = writes + 1 + random.IntN(60)
		before := l.copy()
		w := d.cut(random)
		if accidents = append(accidents, accident{w, certain(before, l.copy())}); len(accidents) == cuts {
			stop()
		}
	}
	d.mu.Unlock()
	trade(ctx, t, db.Sessions, l, 3)
	return accidents
}

// losses opens the disk after a power cut and returns what differs from the acknowledged state.
func (a accident) losses(t *testing.T) (lost []string) {
	t.Helper()
	path := filepath.Join(a.wreck.salvage(t), "cloakroom.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		return []string{err.Error()}
	}
	defer db.Close()
	for n, there := range a.sure {
		r, err := db.Sessions.Load(t.Context(), ticketID(n))
		switch {
		case there && err != nil:
			lost = append(lost, fmt.Sprintf("session %d was created: %v", n, err))
		case there && string(r.Values) != string(ticket(n).Values):
			lost = append(lost, fmt.Sprintf("session %d has other values", n))
		case !there && !errors.Is(err, session.ErrNotFound):
			lost = append(lost, fmt.Sprintf("session %d was deleted: Load returns %v", n, err))
		}
	}
	return append(lost, damage(t, path)...)
}

// damage runs SQLite's integrity check on a file.
func damage(t *testing.T, path string) []string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var report string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&report); err != nil {
		return []string{err.Error()}
	}
	if report != "ok" {
		return []string{report}
	}
	return nil
}

func TestAcknowledgedWritesSurviveAPowerCut(t *testing.T) {
	cuts := 300
	if testing.Short() {
		cuts = 60
	}
	created, deleted := 0, 0
	for i, a := range cutPower(t, newDisk(), cuts) {
		for _, there := range a.sure {
			if there {
				created++
			} else {
				deleted++
			}
		}
		if lost := a.losses(t); len(lost) > 0 {
			t.Fatalf("cut %d: %d of %d lost, such as: %s", i, len(lost), len(a.sure), lost[0])
		}
	}
	t.Logf("%d cuts, %d creations and %d deletions found as acknowledged", cuts, created, deleted)
	if created == 0 || deleted == 0 {
		t.Error("nothing was tested")
	}
}

// The check must be able to fail: a disk that only pretends to sync loses acknowledged writes.
func TestThePowerCutTestFindsADiskThatLies(t *testing.T) {
	d := newDisk()
	d.lies = func(path string) bool { return strings.HasSuffix(path, "-wal") }
	for _, a := range cutPower(t, d, 60) {
		if len(a.losses(t)) > 0 {
			return
		}
	}
	t.Error("the disk forgot synced writes, and nothing was missed")
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 4)) }

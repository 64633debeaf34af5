//go:build linux

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

const always = 1 << 30

// diskFaults are the ways in which a disk fails.
var diskFaults = map[string]struct {
	op   string
	code int32
}{
	"disk full":          {"write", sqlite3.SQLITE_FULL},
	"write error":        {"write", sqlite3.SQLITE_IOERR_WRITE},
	"gone read-only":     {"write", sqlite3.SQLITE_READONLY},
	"sync error":         {"sync", sqlite3.SQLITE_IOERR_FSYNC},
	"truncate error":     {"truncate", sqlite3.SQLITE_IOERR_TRUNCATE},
	"no memory to write": {"write", sqlite3.SQLITE_NOMEM},
}

// settled makes a database with a first user and a few sessions, on a disk that can be made to fail.
func settled(t *testing.T) (*sqlite.DB, *faultyDisk) {
	t.Helper()
	dir := t.TempDir()
	disk := &faultyDisk{}
	watch(t, dir, disk)
	db := open(t, filepath.Join(dir, "cloakroom.db"))
	succeed(t, db, 0)
	return db, disk
}

func TestAFailingDiskIsAnErrorOfEachWriteAndOfNoRead(t *testing.T) {
	for name, ailment := range diskFaults {
		if ailment.op == "truncate" {
			continue // no write needs one
		}
		t.Run(name, func(t *testing.T) {
			db, disk := settled(t)
			for round := range 3 {
				prepare(t, db, 10+round)
				disk.strike(ailment.op, ailment.code, 1, always)
				for call, err := range writes(t.Context(), db, 10+round) {
					if !isOutage(err) {
						t.Errorf("%s returns %v", call, err)
					}
				}
				reads(t, db)
				disk.heal()
				succeed(t, db, 20+round) // by itself
				reads(t, db)
			}
		})
	}
}

// TestEachSingleFaultOfTheDiskIsSurvived lets the n-th call to the disk fail, for each n, while sessions are created and deleted.
func TestEachSingleFaultOfTheDiskIsSurvived(t *testing.T) {
	faults := 40
	if testing.Short() {
		faults = 10
	}
	for name, ailment := range diskFaults {
		t.Run(name, func(t *testing.T) {
			db, disk := settled(t)
			checkpointOften(t, db)
			for n := 1; n <= faults; n++ {
				disk.strike(ailment.op, ailment.code, n, n)
				told := comeAndGo(t.Context(), db.Sessions, 1_000*n)
				disk.heal()
				if err := agree(t, db.Sessions, told); err != nil {
					t.Fatalf("fault %d: %v", n, err)
				}
			}
			if lost := damage(t, fileOf(t, db)); lost != nil {
				t.Error(lost)
			}
		})
	}
}

// checkpointOften makes SQLite copy the log into the file after every few pages, so that faults occur in that as well.
func checkpointOften(t *testing.T, db *sqlite.DB) {
	t.Helper()
	_, write := db.Pools()
	if _, err := write.Exec("PRAGMA wal_autocheckpoint = 20"); err != nil {
		t.Fatal(err)
	}
}

func fileOf(t *testing.T, db *sqlite.DB) (path string) {
	t.Helper()
	read, _ := db.Pools()
	if err := read.QueryRow("SELECT file FROM pragma_database_list").Scan(&path); err != nil {
		t.Fatal(err)
	}
	return path
}

// comeAndGo creates and deletes sessions, and returns the acknowledged state of each.
func comeAndGo(ctx context.Context, s session.Store, first int) map[int][]error {
	told := map[int][]error{}
	for n := first; n < first+10; n++ {
		told[n] = append(told[n], s.Create(ctx, ticket(n)))
		if n%2 == 0 {
			told[n] = append(told[n], s.Delete(ctx, ticketID(n)))
		}
	}
	return told
}

// agree returns the differences from the acknowledged state.
func agree(t *testing.T, s session.Store, told map[int][]error) error {
	for n, errs := range told {
		r, err := s.Load(t.Context(), ticketID(n))
		switch {
		case isOutage(err):
			return err
		case len(errs) == 1 && errs[0] == nil && err != nil:
			return fmt.Errorf("session %d was created: %w", n, err)
		case len(errs) == 2 && errs[1] == nil && err == nil:
			return fmt.Errorf("session %d was deleted", n)
		case err == nil && string(r.Values) != string(ticket(n).Values):
			return fmt.Errorf("session %d is there in part", n)
		}
	}
	return nil
}

// every reports whether a test tries the n-th moment of the making of a file: each of the first 20, and then each tenth. The migrations,
// which are much alike, take hundreds. With CLOAKROOM_LONG=1 it is each.
func every(n int) bool { return n <= 20 || n%10 == 0 || os.Getenv("CLOAKROOM_LONG") != "" }

func TestFaultWhileTheFileIsMadeLeavesOneThatOpens(t *testing.T) {
	for _, name := range []string{"disk full", "sync error"} {
		ailment := diskFaults[name]
		for n := 1; ; n++ {
			if !every(n) {
				continue
			}
			dir := t.TempDir()
			disk := &faultyDisk{}
			watch(t, dir, disk)
			path := filepath.Join(dir, "cloakroom.db")
			disk.strike(ailment.op, ailment.code, n, always)
			db, err := sqlite.Open(t.Context(), path)
			if err == nil {
				db.Close()
			}
			calls := disk.struck()
			disk.heal()
			succeed(t, open(t, path), 0)
			if calls < n {
				break
			}
			if err == nil && n < 5 {
				t.Errorf("%s at call %d was no error", name, n)
			}
		}
	}
}

func TestPowerCutWhileTheFileIsMadeLeavesOneThatOpens(t *testing.T) {
	dir := t.TempDir()
	d := newDisk()
	watch(t, dir, d)
	random := newRandom(5)
	var wrecks []wreck
	d.after = func(writes int) {
		if every(writes) {
			wrecks = append(wrecks, d.cut(random), d.cut(random))
		}
	}
	open(t, filepath.Join(dir, "cloakroom.db"))
	for i, w := range wrecks {
		db, err := sqlite.Open(t.Context(), filepath.Join(w.salvage(t), "cloakroom.db"))
		if err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		if err := errors.Join(db.Ping(t.Context()), db.Close()); err != nil {
			t.Errorf("cut %d: %v", i, err)
		}
	}
	if len(wrecks) < 20 {
		t.Errorf("only %d cuts", len(wrecks))
	}
}

func TestErrorsSayWhatWasTried(t *testing.T) {
	db, disk := settled(t)
	disk.strike("write", sqlite3.SQLITE_FULL, 1, always)
	err := db.Sessions.Create(t.Context(), ticket(5))
	disk.heal()
	if err == nil || !strings.Contains(err.Error(), "create session") || !strings.Contains(err.Error(), "full") {
		t.Errorf("the error says %q", err)
	}
}

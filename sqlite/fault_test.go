//go:build linux

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

const always = 1 << 30

// ailments are the ways in which a disk fails.
var ailments = map[string]struct {
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

// writes is one write of each kind to each store. It needs the sessions that prepare has made for the same n.
func writes(ctx context.Context, db *sqlite.DB, n int) map[string]error {
	replaced, err := db.Sessions().Load(context.WithoutCancel(ctx), ticketID(n*100+1))
	if err != nil {
		return map[string]error{"Load": fmt.Errorf("%w, which must be possible", err)}
	}
	next := *replaced
	next.ID = session.ID{byte(n), 0, 0, 2}
	results := map[string]error{
		"session.Create":  db.Sessions().Create(ctx, ticket(n*100)),
		"session.Replace": db.Sessions().Replace(ctx, replaced, &next),
		"session.Touch":   db.Sessions().Touch(ctx, []session.Seen{{ID: ticketID(n*100 + 2), At: 2, Expires: 1 << 41}}),
		"session.Delete":  db.Sessions().Delete(ctx, ticketID(n*100+3)),
		"account.Create":  db.Accounts().Create(ctx, &account.User{Username: fmt.Sprint("user", n)}),
		"SetGroup":        db.Accounts().SetGroup(ctx, account.Group{Name: "g", Permissions: []string{fmt.Sprint("a.", n)}}),
		"PutSealed":       db.Keys().PutSealed(ctx, []keyring.Sealed{{Name: fmt.Sprint(n)}}),
		"Ping":            db.Ping(ctx),
		"throttle.Update": db.Throttles().Update(ctx, []string{"k"}, func(c []throttle.Counter) error {
			c[0].Tries++
			return nil
		}),
	}
	_, results["DeleteUser"] = db.Sessions().DeleteUser(ctx, fmt.Sprint("gone", n), session.ID{})
	_, results["account.Change"] = db.Accounts().Change(ctx, "1", func(u *account.User) error {
		u.FirstName = fmt.Sprint(n)
		return nil
	})
	return results
}

// prepare makes the sessions that writes will work on.
func prepare(t *testing.T, db *sqlite.DB, n int) {
	t.Helper()
	for i := 1; i <= 4; i++ {
		r := ticket(n*100 + i)
		if i == 4 {
			r.User = fmt.Sprint("gone", n)
		}
		if err := db.Sessions().Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// settled makes a database that has a first user and a few sessions, on a disk that may fall ill.
func settled(t *testing.T) (*sqlite.DB, *sickness) {
	t.Helper()
	dir := t.TempDir()
	disk := &sickness{}
	watch(t, dir, disk)
	db := open(t, filepath.Join(dir, "cloakroom.db"))
	succeed(t, db, 0)
	return db, disk
}

// succeed ends the test unless all writes are possible.
func succeed(t *testing.T, db *sqlite.DB, n int) {
	t.Helper()
	prepare(t, db, n)
	for name, err := range writes(t.Context(), db, n) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// reads ends the test unless all stores can be read.
func reads(t *testing.T, db *sqlite.DB) {
	t.Helper()
	_, loadErr := db.Sessions().Load(t.Context(), ticketID(0))
	_, userErr := db.Accounts().Load(t.Context(), "1")
	_, findErr := db.Accounts().Find(t.Context(), "user0")
	_, listErr := db.Sessions().List(t.Context(), session.Query{})
	_, keysErr := db.Keys().Sealed(t.Context())
	if err := errors.Join(loadErr, userErr, findErr, listErr, keysErr); err != nil {
		t.Fatalf("reading: %v", err)
	}
}

func TestSickDiskIsAnErrorOfEachWriteAndOfNoRead(t *testing.T) {
	for name, ailment := range ailments {
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

// isOutage reports whether err says that nothing is known.
func isOutage(err error) bool {
	var taken *account.TakenError
	return err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrExists) &&
		!errors.Is(err, session.ErrConflict) && !errors.Is(err, account.ErrNotFound) && !errors.As(err, &taken)
}

// TestEachSingleFaultOfTheDiskIsSurvived lets the n-th call to the disk fail, for each n, while sessions come and go.
func TestEachSingleFaultOfTheDiskIsSurvived(t *testing.T) {
	for name, ailment := range ailments {
		t.Run(name, func(t *testing.T) {
			db, disk := settled(t)
			checkpointOften(t, db)
			for n := 1; n <= 60; n++ {
				disk.strike(ailment.op, ailment.code, n, n)
				told := comeAndGo(t.Context(), db.Sessions(), 1_000*n)
				disk.heal()
				if err := agree(t, db.Sessions(), told); err != nil {
					t.Fatalf("fault %d: %v", n, err)
				}
			}
			if lost := damage(t, fileOf(t, db)); lost != nil {
				t.Error(lost)
			}
		})
	}
}

// checkpointOften lets the log be copied into the file after each few pages, so that faults meet that as well.
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

// comeAndGo creates and deletes sessions, and returns what it was told about each: nil errors, the last one counts.
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

// agree reports what is otherwise than was told.
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

func TestFaultWhileTheFileIsMadeLeavesOneThatOpens(t *testing.T) {
	for _, name := range []string{"disk full", "sync error"} {
		ailment := ailments[name]
		for n := 1; ; n++ {
			dir := t.TempDir()
			disk := &sickness{}
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
	d.after = func(int) { wrecks = append(wrecks, d.cut(random), d.cut(random)) }
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

func TestWriteWaitsForAnotherProcessNoLongerThanItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db := open(t, path)
	succeed(t, db, 0)
	prepare(t, db, 2)
	_, other := open(t, path).Pools()
	lock, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	results := writes(ctx, db, 2) // one after the other, all by the same deadline
	if waited := time.Since(began); waited > 2*time.Second {
		t.Errorf("waited %v", waited)
	}
	for name, err := range results {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s returns %v", name, err)
		}
	}
	reads(t, db)

	done := make(chan error)
	go func() { done <- db.Sessions().Delete(context.Background(), ticketID(0)) }()
	time.Sleep(20 * time.Millisecond)
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a write that could wait returned %v", err)
	}
	succeed(t, db, 3)
}

func TestErrorsSayWhatWasTried(t *testing.T) {
	db, disk := settled(t)
	disk.strike("write", sqlite3.SQLITE_FULL, 1, always)
	err := db.Sessions().Create(t.Context(), ticket(5))
	disk.heal()
	if err == nil || !strings.Contains(err.Error(), "create session") || !strings.Contains(err.Error(), "full") {
		t.Errorf("the error says %q", err)
	}
}

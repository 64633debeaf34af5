package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// openRemembering opens a database that remembers rows.
func openRemembering(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db := open(t, path)
	if err := db.RememberRows(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestStoresThatRememberRows(t *testing.T) {
	var remembering func(t *testing.T, path string) storetest.Stores
	remembering = func(t *testing.T, path string) storetest.Stores {
		db := openRemembering(t, path)
		return storetest.Stores{Set: db.Set, Reopen: func(t *testing.T) storetest.Stores {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			return remembering(t, path)
		}}
	}
	storetest.Run(t, func(t *testing.T) storetest.Stores { return remembering(t, filepath.Join(t.TempDir(), "cloakroom.db")) })
}

// While all connections are busy, only a remembered row can be read.
func TestARowIsReadFromTheFileOnlyAfterACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db, other := openRemembering(t, path), open(t, path)
	load := func(within time.Duration) error {
		defer db.OccupyReaders()()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err := db.Sessions.Load(ctx, ticketID(1))
		return err
	}
	if err := db.Sessions.Create(t.Context(), ticket(1)); err != nil {
		t.Fatal(err)
	}
	for name, commit := range map[string]func() error{
		"its own":    func() error { return db.Sessions.Create(t.Context(), ticket(2)) },
		"another's":  func() error { return other.Sessions.Create(t.Context(), ticket(3)) },
		"no session": func() error { return other.Accounts.SetGroup(t.Context(), account.Group{Name: "staff"}) },
	} {
		if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := load(time.Minute); err != nil {
				t.Errorf("before a commit, %s: the file was asked: %v", name, err)
			}
		}
		if err := commit(); err != nil {
			t.Fatal(err)
		}
		if err := load(50 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after a commit, %s: the file was not asked: %v", name, err)
		}
	}
}

func TestWhatIsNotThereIsNotRemembered(t *testing.T) {
	db := openRemembering(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	for n := range 100 {
		if _, err := db.Sessions.Load(t.Context(), ticketID(n)); !errors.Is(err, session.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if rows, bytes := db.Remembered(); rows != 0 || bytes != 0 {
		t.Errorf("%d rows with %d bytes are remembered", rows, bytes)
	}
}

func TestTheMemoryOfRowsIsBounded(t *testing.T) {
	db := openRemembering(t, filepath.Join(t.TempDir(), "cloakroom.db"))
	const sessions = 3000
	_, write := db.Pools()
	if _, err := write.Exec("PRAGMA synchronous = OFF"); err != nil {
		t.Fatal(err)
	}
	for n := range sessions {
		if err := db.Sessions.Create(t.Context(), ticket(n)); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	for n := range sessions {
		got, err := db.Sessions.Load(t.Context(), ticketID(n))
		if err != nil || len(got.Values) != n%3000 {
			t.Fatalf("session %d: %v, %v", n, got, err)
		}
		_, bytes := db.Remembered()
		most = max(most, bytes)
	}
	if most > 4<<20 || most < 1<<20 {
		t.Errorf("up to %d bytes are remembered, want about 4 MiB", most)
	}
	big := ticket(sessions)
	big.Values = make([]byte, 1<<20)
	if err := db.Sessions.Create(t.Context(), big); err != nil {
		t.Fatal(err)
	}
	for _, id := range []session.ID{ticketID(1), big.ID} {
		if _, err := db.Sessions.Load(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if rows, bytes := db.Remembered(); rows != 1 || bytes > 16<<10 {
		t.Errorf("%d rows with %d bytes are remembered, want the small one", rows, bytes)
	}
}

// Of a row that was read while something was committed it isn't known from before or after.
func TestARowIsNotKeptThatWasReadWhileSomethingWasCommitted(t *testing.T) {
	t.Attr("threat", "X01")
	commits, known := uint64(7), true
	m := sqlite.NewRowMemory(func() (uint64, bool) { return commits, known })
	row := readRow(t, openRow(t), "SELECT 'old'")
	kept := func() bool { return m.Find("q", "id") != nil }
	m.Read("q", "id", row, func() {})
	if !kept() {
		t.Fatal("nothing was committed, and the row isn't kept")
	}
	commits++
	if kept() {
		t.Error("a row is kept after a commit")
	}
	m.Read("q", "id", row, func() { commits++ })
	if kept() {
		t.Error("a row is kept that may be older than the commit")
	}
	m.Read("q", "id", row, func() { known = false })
	if kept() {
		t.Error("a row is served while the commits aren't known")
	}
	if known = true; kept() {
		t.Error("a row was kept while the commits weren't known")
	}
	m.Read("q", "id", row, func() {})
	if m.Find("other", "id") != nil || m.Find("q", "other") != nil || !kept() {
		t.Error("a row is that of another query, or isn't kept")
	}
}

// TestARememberedRowIsWhatTheFileHas changes rows through the DB that remembers, another DB, and another process. After each change the
// DB must return what a DB without a memory returns, also when it is asked again.
func TestARememberedRowIsWhatTheFileHas(t *testing.T) {
	t.Attr("threat", "X01")
	path := filepath.Join(t.TempDir(), "cloakroom.db")
	db, plain := openRemembering(t, path), open(t, path)
	other := start(t, "echo", path)
	_, raw := plain.Pools()
	var users []string
	for n := range 3 {
		u := &account.User{Username: fmt.Sprint("user", n), IsActive: true, Epoch: "0"}
		if err := plain.Accounts.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		users = append(users, u.ID)
	}
	const sessions = 4
	move := func(to *sqlite.DB, step int) error {
		_, err := to.Accounts.Change(t.Context(), users[step%3], func(u *account.User) error {
			u.Epoch = fmt.Sprint(step)
			return nil
		})
		return err
	}
	ignore := func(err error, expected ...error) error {
		for _, e := range expected {
			if errors.Is(err, e) {
				return nil
			}
		}
		return err
	}
	child := func(line string) error {
		if answer := other.tell(line); answer != "ok" && answer != session.ErrExists.Error() {
			return errors.New(answer)
		}
		return nil
	}
	changes := []func(step, n int) error{
		func(_, n int) error {
			return ignore(db.Sessions.Create(t.Context(), owned(n, users)), session.ErrExists)
		},
		func(_, n int) error {
			return ignore(plain.Sessions.Create(t.Context(), owned(n, users)), session.ErrExists)
		},
		func(_, n int) error { return db.Sessions.Delete(t.Context(), ticketID(n)) },
		func(_, n int) error { return plain.Sessions.Delete(t.Context(), ticketID(n)) },
		func(_, n int) error { return child(fmt.Sprint("delete ", n)) },
		func(_, n int) error { return child(fmt.Sprint("create ", n)) },
		func(step, _ int) error { return move(db, step) },
		func(step, _ int) error { return move(plain, step) },
		func(step, n int) error {
			use := session.LastUse{ID: ticketID(n), At: int64(step + 2), Expires: 1<<40 + int64(step)}
			return plain.Sessions.Touch(t.Context(), []session.LastUse{use})
		},
		func(step, _ int) error {
			_, err := raw.Exec("UPDATE users SET first_name = $1", fmt.Sprint(step))
			return err
		},
		func(int, int) error { _, err := raw.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); return err },
	}
	for step := range 300 {
		which, n := rand.IntN(len(changes)), rand.IntN(sessions)
		if err := changes[which](step, n); err != nil {
			t.Fatalf("change %d: %v", which, err)
		}
		for range 2 {
			for n := range sessions {
				got, gotErr := db.Sessions.Load(t.Context(), ticketID(n))
				want, wantErr := plain.Sessions.Load(t.Context(), ticketID(n))
				if !reflect.DeepEqual(got, want) || errors.Is(gotErr, session.ErrNotFound) != errors.Is(wantErr, session.ErrNotFound) {
					t.Fatalf("after change %d: got %+v (%v), want %+v (%v)", which, got, gotErr, want, wantErr)
				}
			}
			for _, id := range users {
				got, gotErr := db.Accounts.Load(t.Context(), id)
				want, wantErr := plain.Accounts.Load(t.Context(), id)
				if err := errors.Join(gotErr, wantErr); err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("after change %d: got %+v, want %+v (%v)", which, got, want, err)
				}
			}
		}
	}
	other.end()
}

// owned is the n-th session, of one of the users.
func owned(n int, users []string) *session.Record {
	r := ticket(n)
	r.User = users[n%len(users)]
	return r
}

func TestAClosedDatabaseReturnsNoRememberedRow(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "cloakroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, load := db.Sessions.Load(t.Context(), ticketID(1))
	err = errors.Join(db.RememberRows(t.Context()), db.Sessions.Create(t.Context(), ticket(1)))
	if err != nil || !errors.Is(load, session.ErrNotFound) {
		t.Fatal(err, load)
	}
	if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sessions.Load(t.Context(), ticketID(1)); err == nil {
		t.Error("a closed database returns a session")
	}
}

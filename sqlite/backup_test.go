package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// TestABackupIsTheDatabaseOfOneMoment makes backups while users are added, each together with its session: a backup has every
// user up to some moment.
func TestABackupIsTheDatabaseOfOneMoment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cloakroom.db")
	db := open(t, path)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := db.Accounts.Create(t.Context(), &account.User{Username: fmt.Sprintf("user%d", n)}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	before := 0
	for n := range 5 {
		to := filepath.Join(dir, fmt.Sprintf("backup%d.db", n))
		if err := sqlite.Backup(t.Context(), path, to); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the backup is %v, %v; want the mode 0600", info, err)
		}
		users := usersOf(t, to)
		if users < before {
			t.Errorf("a backup has %d users, and an earlier one %d", users, before)
		}
		before = users
	}
	close(stop)
	writers.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, ".cloakroom-backup-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// usersOf opens a backup, which must be a database of this program, and returns how many users it has: those with the first IDs.
func usersOf(t *testing.T, path string) int {
	t.Helper()
	if pending, err := sqlite.Pending(t.Context(), path); err != nil || len(pending) > 0 {
		t.Fatalf("Pending = %v, %v", pending, err)
	}
	db := open(t, path)
	users, err := db.Accounts.List(t.Context(), account.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for n, u := range users {
		if u.Username != fmt.Sprintf("user%d", n) {
			t.Fatalf("user %d is %s", n, u.Username)
		}
	}
	return len(users)
}

func TestABackupOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "cloakroom.db"), filepath.Join(dir, "backup.db")
	open(t, path)
	if err := os.WriteFile(to, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{to, path, link} {
		if err := sqlite.Backup(t.Context(), path, name); !errors.Is(err, sqlite.ErrBackupExists) {
			t.Errorf("a backup into %s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(to); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

func TestABackupNeedsADatabaseOfThisProgram(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	run(t, foreign, "CREATE TABLE t (x)")
	for name, path := range map[string]string{"none": filepath.Join(dir, "none.db"), "foreign": foreign} {
		to := filepath.Join(dir, name+"-backup.db")
		if err := sqlite.Backup(t.Context(), path, to); err == nil {
			t.Errorf("%s: the backup was made", name)
		}
		if _, err := os.Lstat(to); err == nil {
			t.Errorf("%s: there is a file", name)
		}
	}
}

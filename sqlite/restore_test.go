package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// named makes a database with one user.
func named(t *testing.T, path, name string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Accounts.Create(t.Context(), &account.User{Username: name}), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// holds ends the test unless a database has this user, and no other.
func holds(t *testing.T, path, name string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	users, err := db.Accounts.List(t.Context(), account.Query{})
	if err != nil || len(users) != 1 || users[0].Username != name {
		t.Fatalf("%s has %v, %v; want only %s", path, users, err, name)
	}
}

// restore does what a restore does, and returns where the replaced database is.
func restore(t *testing.T, path, backup string) (kept string) {
	t.Helper()
	r, err := sqlite.PrepareRestore(t.Context(), path, backup)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, r.Path, "old") // opened, and closed again
	kept, err = r.Put()
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "old")
	if left, _ := filepath.Glob(path + ".restoring*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return kept
}

// twoDatabases makes a database and a backup of an earlier one.
func twoDatabases(t *testing.T) (path, backup string) {
	dir := t.TempDir()
	path, backup = filepath.Join(dir, "cloakroom.db"), filepath.Join(dir, "backup.db")
	earlier := filepath.Join(dir, "earlier.db")
	named(t, earlier, "old")
	if err := sqlite.Backup(t.Context(), earlier, backup); err != nil {
		t.Fatal(err)
	}
	named(t, path, "new")
	return path, backup
}

func TestARestoreKeepsWhatItReplaces(t *testing.T) {
	path, backup := twoDatabases(t)
	before, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	kept := restore(t, path, backup)
	if !strings.HasPrefix(kept, path+".replaced-20") {
		t.Errorf("the replaced database is kept as %q", kept)
	}
	holds(t, kept, "new")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the restored database is %v, %v; want the mode 0600", info, err)
	}
	if after, err := os.ReadFile(backup); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the backup has changed, %v", err)
	}
}

func TestARestoreWhereThereIsNoDatabase(t *testing.T) {
	_, backup := twoDatabases(t)
	if kept := restore(t, filepath.Join(t.TempDir(), "data", "cloakroom.db"), backup); kept != "" {
		t.Errorf("kept %q", kept)
	}
}

func TestADamagedDatabaseIsReplacedAndKept(t *testing.T) {
	path, backup := twoDatabases(t)
	noise := bytes.Repeat([]byte("noise"), 5000)
	if err := os.WriteFile(path, noise, 0o600); err != nil {
		t.Fatal(err)
	}
	kept := restore(t, path, backup)
	if text, err := os.ReadFile(kept); err != nil || !bytes.Equal(text, noise) {
		t.Errorf("%s has %d bytes, %v", kept, len(text), err)
	}
}

func TestADatabaseInUseIsNotReplaced(t *testing.T) {
	path, backup := twoDatabases(t)
	other := start(t, "echo", path)
	if got := other.tell("create 1"); got != "ok" {
		t.Fatal(got)
	}
	if _, err := sqlite.PrepareRestore(t.Context(), path, backup); !errors.Is(err, sqlite.ErrInUse) {
		t.Errorf("Prepare: %v", err)
	}
	if got := other.tell("load 1"); got != "ok" {
		t.Error(got)
	}
	if left, _ := filepath.Glob(path + ".restoring*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestADatabaseIsHeldWhileItIsReplaced so that no server starts on the one that is about to go.
func TestADatabaseIsHeldWhileItIsReplaced(t *testing.T) {
	path, backup := twoDatabases(t)
	r, err := sqlite.PrepareRestore(t.Context(), path, backup)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.PrepareRestore(t.Context(), path, backup); err == nil {
		t.Error("two restores at once")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // Open waits for who holds the database
	defer cancel()
	if db, err := sqlite.Open(ctx, path); err == nil {
		db.Close()
		t.Error("the database could be opened")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "new")
}

func TestOnlyAnUndamagedDatabaseOfThisProgramIsRestored(t *testing.T) {
	path, backup := twoDatabases(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	copy(damaged[len(damaged)/2:], bytes.Repeat([]byte{0xAA}, 9000))
	newer := bytes.Clone(whole)
	copy(newer[60:], []byte{0, 15, 66, 63})
	for name, content := range map[string][]byte{
		"empty": nil, "text": bytes.Repeat([]byte("text\n"), 500), "damaged": damaged, "newer": newer, "cut": whole[:len(whole)/2],
	} {
		if err := os.WriteFile(file(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, file("foreign"), "CREATE TABLE t (x)")
	if err := os.Symlink(path, file("itself")); err != nil {
		t.Fatal(err)
	}
	for name, why := range map[string]string{
		"empty": "empty database", "text": "not an SQLite database", "damaged": "damaged", "newer": "", "cut": "damaged",
		"foreign": "another program's database", "itself": "is the database itself", "nowhere": "find the backup",
	} {
		r, err := sqlite.PrepareRestore(t.Context(), path, file(name))
		if err == nil {
			r.Close()
			t.Errorf("%s: Prepare accepts it", name)
		} else if !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), file(name)) {
			t.Errorf("%s: %v; want the file's name and %q", name, err, why)
		}
	}
	holds(t, path, "new")
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	sqlitelib "modernc.org/sqlite/lib"
)

// ErrInUse reports that another process has the database open.
var ErrInUse = errors.New("a server or another command is using the database: stop it first")

// Replacement is a copy of a backup that is about to take the place of a database. It holds the database, so that no other process
// can open it. Call Close when done.
type Replacement struct {
	Path string // of the copy, beside the database

	real     string // the database that is replaced
	held     *sql.DB
	damaged  bool // no program can read the database
	replaced bool
}

// beside are the endings of the files that SQLite keeps beside a database.
var beside = []string{"-wal", "-shm", "-journal"}

// PrepareRestore copies the database in the file backup to a place beside the database at path, and checks that it is an undamaged database
// of this program, with no newer schema. It changes neither of them. It is [ErrInUse] if a process has the database open.
//
// The copy belongs to the caller, who may open it with [Open], and closes it before calling Put.
func PrepareRestore(ctx context.Context, path, backup string) (*Replacement, error) {
	r := &Replacement{real: resolve(path)}
	r.Path = r.real + ".restoring"
	if err := r.prepare(ctx, backup); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Replacement) prepare(ctx context.Context, backup string) error {
	if same, err := sameFile(r.real, backup); err != nil {
		return err
	} else if same {
		return fmt.Errorf("%s is the database itself", backup)
	}
	if err := r.hold(ctx); err != nil {
		return fmt.Errorf("%s: %w", r.real, err)
	}
	if err := r.copy(backup); err != nil {
		return fmt.Errorf("copy %s: %w", backup, err)
	}
	if err := checkCopy(ctx, r.Path); err != nil {
		return fmt.Errorf("%s: %w", backup, err)
	}
	return nil
}

func sameFile(path, backup string) (bool, error) {
	theirs, err := os.Stat(backup)
	if err != nil {
		return false, fmt.Errorf("find the backup: %w", err)
	}
	ours, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, theirs), err
}

// holding is the use of a connection that keeps every other one out. Leaving WAL mode needs the file alone, so it also shows that no
// other process has it open, and puts all that is committed into the one file.
var holding = use{"exclusive", []setting{
	{"busy_timeout", "0", "0"}, {"locking_mode", "exclusive", "exclusive"}, {"trusted_schema", "off", "0"}, {"journal_mode", "delete", "delete"},
}}

// hold locks the database, if there is one.
func (r *Replacement) hold(ctx context.Context) error {
	if _, err := os.Stat(r.real); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if used, err := inUse(r.real); err != nil {
		return err
	} else if used {
		return ErrInUse
	}
	_, err := own(r.real).fileVersion(ctx, r.real)
	if hasCode(err, sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT) {
		r.damaged = true // nothing can be locked, and it is kept as it is
		return nil
	}
	if err != nil {
		return err
	}
	r.held = pool(r.real, holding)
	r.held.SetMaxOpenConns(1)
	r.held.SetMaxIdleConns(1)
	_, err = r.held.ExecContext(ctx, "BEGIN EXCLUSIVE")
	switch {
	case hasCode(err, sqlitelib.SQLITE_BUSY):
		return ErrInUse
	case hasCode(err, sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_CORRUPT):
		r.damaged = true
		return r.release()
	}
	return err
}

func (r *Replacement) release() error {
	if r.held == nil {
		return nil
	}
	err := r.held.Close()
	r.held = nil
	return err
}

// copy makes the copy. A process that was killed may have left an earlier one.
func (r *Replacement) copy(backup string) error {
	if err := r.removeCopy(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.Path), 0o700); err != nil {
		return err
	}
	if err := copyFile(backup, r.Path); err != nil {
		return err
	}
	for _, ending := range []string{"-wal", "-journal"} { // of a file that is no backup, but was copied
		if err := copyFile(backup+ending, r.Path+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (r *Replacement) removeCopy() error {
	for _, ending := range append([]string{""}, beside...) {
		if err := os.Remove(r.Path + ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// checkCopy returns an error unless the file is an undamaged database of this program that it can bring up to date.
func checkCopy(ctx context.Context, path string) error {
	have, err := own(path).fileVersion(ctx, path)
	if err != nil {
		return damage(err)
	}
	if have == 0 {
		return errors.New("this is an empty database")
	}
	if _, err := dialect.Missing(have); err != nil {
		return err
	}
	db := pool(path, inspecting)
	defer db.Close()
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return damage(err)
	}
	if found != "ok" {
		return fmt.Errorf("the backup is damaged: %s", found)
	}
	return nil
}

func damage(err error) error {
	if hasCode(err, sqlitelib.SQLITE_CORRUPT) {
		return fmt.Errorf("the backup is damaged: %w", err)
	}
	return err
}

// Put gives the copy the place of the database in one step. It returns the name under which the replaced one is kept; "" if there was
// none.
func (r *Replacement) Put() (kept string, err error) {
	if _, err := os.Stat(r.Path + "-wal"); err == nil {
		return "", fmt.Errorf("%s is still in use", r.Path)
	}
	if runtime.GOOS == "windows" { // where an open file can't be replaced
		if err := r.release(); err != nil {
			return "", err
		}
	}
	if kept, err = r.keep(); err != nil {
		return "", fmt.Errorf("keep the replaced database: %w", err)
	}
	if err := os.Rename(r.Path, r.real); err != nil {
		return "", fmt.Errorf("put the restored database into its place: %w", err)
	}
	r.replaced = true
	return kept, syncDir(filepath.Dir(r.real))
}

// keep gives the database a second name, with what SQLite has beside it if it couldn't be folded in.
func (r *Replacement) keep() (kept string, err error) {
	if _, err := os.Stat(r.real); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	now := time.Now().UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		kept = r.real + ".replaced-" + now
		if n > 1 {
			kept = fmt.Sprintf("%s-%d", kept, n)
		}
		if err = os.Link(r.real, kept); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil { // not every file system has hard links
		if _, err := os.Lstat(kept); err == nil {
			return "", fmt.Errorf("%s: %w", kept, fs.ErrExist)
		}
		if err := os.Rename(r.real, kept); err != nil {
			return "", err
		}
	}
	for _, ending := range beside {
		if err := os.Rename(r.real+ending, kept+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return kept, nil
}

// Close lets other processes use the database, and removes the copy unless it has taken its place.
func (r *Replacement) Close() error {
	err := r.release()
	if !r.replaced {
		err = errors.Join(err, r.removeCopy())
	}
	return err
}

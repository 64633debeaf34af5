package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrBackupExists reports that there already is a file of the name that a backup should get.
var ErrBackupExists = errors.New("there already is a file of this name, and a backup overwrites none")

// copying is the use of a connection that copies the database into another file. SQLite counts that as a write.
var copying = use{"deferred", []setting{{"busy_timeout", "5000", "5000"}, {"trusted_schema", "off", "0"}}}

// Backup writes a copy of the database at path into the new file to, which gets the mode 0600. It may run while other processes
// use the database, and doesn't keep them waiting: the copy is the database as it was at one moment. Deleted rows aren't in it. It is
// [ErrBackupExists] if there is a file of this name. A backup that is interrupted leaves none, but perhaps a file whose name begins
// with a dot.
func Backup(ctx context.Context, path, to string) error {
	if err := backup(ctx, resolve(path), to); err != nil {
		return fmt.Errorf("back up %s: %w", path, explain(err))
	}
	return nil
}

func backup(ctx context.Context, path, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", to, ErrBackupExists)
	}
	if have, err := own(path).fileVersion(ctx, path); err != nil {
		return err
	} else if have == 0 {
		return errors.New("the database is empty")
	}
	dir := filepath.Dir(to)
	f, err := os.CreateTemp(dir, ".cloakroom-backup-*") // with the mode 0600
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	defer os.Remove(f.Name())
	err = copyInto(ctx, path, f.Name())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := place(f.Name(), to); err != nil {
		return err
	}
	return syncDir(dir)
}

// copyInto writes a copy of a database into an empty file.
func copyInto(ctx context.Context, path, to string) error {
	db := pool(path, copying)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(ctx, "VACUUM INTO $1", to)
	return err
}

// place gives a file its name, unless there is one of that name.
func place(file, name string) error {
	err := os.Link(file, name)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", name, ErrBackupExists)
	}
	if err == nil {
		return nil
	}
	// Not every file system has hard links.
	own, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", name, ErrBackupExists)
	}
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	if err := errors.Join(own.Close(), os.Rename(file, name)); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

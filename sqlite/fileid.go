package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errMoved means that the file was unlinked: writes go to an inode that no other process can open, and are lost with the last
// connection.
var errMoved = errors.New("the file was removed or replaced while the database was in use; put it back, or restart to use what is there now")

// dbFile is the path of an open database, and which file was there when it was opened.
type dbFile struct {
	path string // as the caller named it; may be a symbolic link
	real string // the file itself, beside which SQLite keeps its log
	id   fileID
}

func findFile(path, real string) (dbFile, error) {
	id, err := readFileID(path)
	if err != nil {
		return dbFile{}, fmt.Errorf("find the database file: %w", err)
	}
	return dbFile{path, real, id}, nil
}

// resolve follows symbolic links to the file, which need not exist yet.
func resolve(path string) string {
	for range 40 { // more than any system follows
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
		target, err := os.Readlink(path)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

// verify returns an error unless the path still leads to the file that was opened. SQLite doesn't check: its connections keep
// using a removed file, and new connections open another one.
func (f dbFile) verify() error {
	id, err := readFileID(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && id != f.id:
		return fmt.Errorf("%s: %w", f.path, errMoved)
	case err != nil:
		return fmt.Errorf("find the database file: %w", err)
	}
	return nil
}

// moved reports whether the file was removed or replaced.
func (f dbFile) moved() bool { return errors.Is(f.verify(), errMoved) }

// verifyCommitted is verify after a commit, which must be in the log that the next process will read.
func (f dbFile) verifyCommitted() error {
	if err := f.verify(); err != nil {
		return err
	}
	_, err := readFileID(f.real + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s-wal: %w", f.real, errMoved)
	case err != nil:
		return fmt.Errorf("find the log of the database: %w", err)
	}
	return nil
}

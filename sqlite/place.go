package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// errMoved says that what is written reaches nobody: the last connection takes it along.
var errMoved = errors.New("the file was removed or replaced while the database was in use; put it back, or restart to use what is there now")

// place is where a database was opened, and the file that was there.
type place struct {
	path string // as it was named, perhaps by a symbolic link
	real string // the file itself, beside which SQLite keeps its log
	file identity
}

func findPlace(path, real string) (place, error) {
	file, err := identify(path)
	if err != nil {
		return place{}, fmt.Errorf("look for the database: %w", err)
	}
	return place{path, real, file}, nil
}

// resolve follows symbolic links to the file, which need not be there yet.
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

// look returns an error unless the file is still in its place. SQLite doesn't look: it goes on with a file that has no name
// any more, and new connections would open another.
func (p place) look() error {
	file, err := identify(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && file != p.file:
		return fmt.Errorf("%s: %w", p.path, errMoved)
	case err != nil:
		return fmt.Errorf("look for the database: %w", err)
	}
	return nil
}

// lookAfter is look after a commit, which must be in the log that the next process will read.
func (p place) lookAfter() error {
	if err := p.look(); err != nil {
		return err
	}
	_, err := identify(p.real + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s-wal: %w", p.real, errMoved)
	case err != nil:
		return fmt.Errorf("look for the log: %w", err)
	}
	return nil
}

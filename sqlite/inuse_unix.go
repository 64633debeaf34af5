//go:build unix

package sqlite

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// The bytes of a database file that SQLite locks (its file os.h): each open connection in WAL mode has a shared lock.
const (
	lockedFrom  = 0x40000000
	lockedBytes = 512
)

// inUse reports whether another process has locked the database. This process must not have it open: closing a file drops all
// locks of the process on it.
func inUse(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	found := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: lockedFrom, Len: lockedBytes}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &found); err != nil {
		return false, fmt.Errorf("look for locks: %w", err)
	}
	return found.Type != syscall.F_UNLCK, nil
}

//go:build unix

package sqlite

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// fileID distinguishes a file from every other file that exists at the same time.
type fileID struct{ device, inode uint64 }

// readFileID calls stat directly: os.Stat costs twice as much, and each read of the database calls this.
func readFileID(path string) (fileID, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return fileID{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileID{uint64(stat.Dev), stat.Ino}, nil
}

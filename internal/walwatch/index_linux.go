package walwatch

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// indexes are the mapped files, by device and inode. They are never closed: closing any descriptor of a file drops every lock
// that this process has on it (POSIX), SQLite's locks included, and the database could then be corrupted. For the same reason no
// file is opened twice, and none through an os.File, which closes itself when it is collected.
var indexes struct {
	sync.Mutex
	byFile map[[2]uint64]*walIndex
}

// mapIndex maps the header of the log of the database at path. A connection to it must be open.
func mapIndex(path string) (*walIndex, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	indexes.Lock()
	defer indexes.Unlock()
	var stat unix.Stat_t
	if err := unix.Stat(real+"-shm", &stat); err != nil {
		return nil, fmt.Errorf("stat the index: %w", err)
	}
	file := [2]uint64{uint64(stat.Dev), stat.Ino}
	if known := indexes.byFile[file]; known != nil {
		return known, nil
	}
	fd, err := unix.Open(real+"-shm", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open the index: %w", err)
	}
	page, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the index: %w", err)
	}
	index := &walIndex{words: (*walHeader)(unsafe.Pointer(&page[0])), check: func() error { return linked(fd) }}
	if indexes.byFile == nil {
		indexes.byFile = map[[2]uint64]*walIndex{}
	}
	indexes.byFile[file] = index
	return index, nil
}

// linked returns fs.ErrNotExist if the file has been removed. Other processes then make a new one and use that.
func linked(fd int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Nlink == 0 {
		return fs.ErrNotExist
	}
	return nil
}

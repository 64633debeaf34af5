//go:build unix

package keyring

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner makes the owner of old the owner of f, so that the server can still read a secret that root has rotated.
func keepOwner(f *os.File, old fs.FileInfo) error {
	if old == nil {
		return nil
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok || int(was.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}

// lock locks f; it waits while another process holds the lock. Closing f, or the end of the process, unlocks it.
func lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			return err
		}
	}
}

package keyring

import (
	"os"
	"syscall"
)

// readOnlyFileSystem reports whether the file system that holds f is mounted read-only.
func readOnlyFileSystem(f *os.File) bool {
	const readOnly = 0x1 // ST_RDONLY
	var s syscall.Statfs_t
	return syscall.Fstatfs(int(f.Fd()), &s) == nil && s.Flags&readOnly != 0
}

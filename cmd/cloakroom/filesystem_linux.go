package main

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// networkFileSystems are those whose locks can't be relied upon, by their magic numbers in statfs(2).
var networkFileSystems = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.FUSE_SUPER_MAGIC: "FUSE",
	unix.V9FS_MAGIC:       "9P",
	unix.CEPH_SUPER_MAGIC: "Ceph",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CODA_SUPER_MAGIC: "Coda",
}

// networkFileSystem returns the name of the network file system that dir is or will be on; "" if it is on another kind, or
// the kind is unknown.
func networkFileSystem(dir string) string {
	var about unix.Statfs_t
	err := unix.Statfs(dir, &about)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = unix.Statfs(dir, &about)
	}
	if err != nil {
		return ""
	}
	return networkFileSystems[uint32(about.Type)]
}

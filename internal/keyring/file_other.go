//go:build !unix

package keyring

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a new file inherits its access rights from the directory.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// lock does nothing, because there are no file locks here. The operator must not run two rotations at the same time.
func lock(*os.File) error { return nil }

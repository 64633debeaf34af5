//go:build !linux

package keyring

import "os"

// readOnlyFileSystem is not known here.
func readOnlyFileSystem(*os.File) bool { return false }

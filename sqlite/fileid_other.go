//go:build !unix

package sqlite

import "os"

// fileID is the same for all files: an open file can't be replaced on these systems.
type fileID struct{}

func readFileID(path string) (fileID, error) {
	_, err := os.Stat(path)
	return fileID{}, err
}

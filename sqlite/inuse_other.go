//go:build !unix

package sqlite

// inUse reports false: here, leaving WAL mode shows whether another process has the database open.
func inUse(string) (bool, error) { return false, nil }

//go:build !linux

package sqlite

func mapIndex(string) (*walIndex, error) { return nil, errNoIndex }

//go:build !linux

package sqlite

import "errors"

// errNoIndex says that this system doesn't let us look.
var errNoIndex = errors.New("the index of the log can't be mapped here")

func mapIndex(string) (*walIndex, error) { return nil, errNoIndex }

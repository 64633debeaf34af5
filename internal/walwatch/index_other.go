//go:build !linux

package walwatch

import "errors"

var errUnsupported = errors.New("commits can be counted on Linux only")

func mapIndex(string) (*walIndex, error) { return nil, errUnsupported }

package main

import (
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

// explain returns the text of an error for people, with what to do about it. For wrong fields it is a line per field.
func explain(err error) string {
	if e, ok := errors.AsType[*account.InvalidError](err); ok {
		text := "not accepted; nothing was changed:"
		for _, field := range slices.Sorted(maps.Keys(e.Fields)) {
			for _, p := range e.Fields[field] {
				text += "\n" + field + ": " + p.Message
			}
		}
		return text
	}
	if errors.Is(err, fs.ErrPermission) {
		return err.Error() + "\nRun this as the user who owns the data directory, or make this user its owner."
	}
	return err.Error()
}

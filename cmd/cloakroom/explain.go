package main

import (
	"errors"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

// explain returns what a person reads about an error: its chain, or what is wrong field by field.
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
	return err.Error()
}

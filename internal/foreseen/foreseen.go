// Package foreseen tells a store beforehand what a transaction is going to change, where its caller knows.
package foreseen

import "context"

type usersKey struct{}

// WithUsers returns a context for a transaction that changes the users with these IDs, and most likely nothing else.
func WithUsers(ctx context.Context, ids ...string) context.Context {
	return context.WithValue(ctx, usersKey{}, ids)
}

// Users returns the IDs of the users that a transaction changes; none if that isn't known.
func Users(ctx context.Context) []string {
	ids, _ := ctx.Value(usersKey{}).([]string)
	return ids
}

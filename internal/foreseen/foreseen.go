// Package foreseen tells a store beforehand what a transaction is going to change, where its caller knows.
package foreseen

import "context"

type userKey struct{}

// WithUser returns a context for a transaction that changes the user with this ID, and most likely nothing else.
func WithUser(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, userKey{}, id)
}

// User returns the ID of the user that a transaction changes; "" if that isn't known.
func User(ctx context.Context) string {
	id, _ := ctx.Value(userKey{}).(string)
	return id
}

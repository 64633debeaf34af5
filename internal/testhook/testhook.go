// Package testhook lets the tests of this module replace parts of the server that cloakroom.New assembles. A program can't: it can't import
// this package, and only a context made here has the hook.
package testhook

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

type key struct{}

// WithAPI returns a context with which cloakroom.New calls change, with all that it has assembled, before it returns.
func WithAPI(ctx context.Context, change func(*httpapi.API)) context.Context {
	return context.WithValue(ctx, key{}, change)
}

// ChangeAPI calls the function of [WithAPI], if the context has one.
func ChangeAPI(ctx context.Context, a *httpapi.API) {
	if change, ok := ctx.Value(key{}).(func(*httpapi.API)); ok {
		change(a)
	}
}

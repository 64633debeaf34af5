package auth

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// NewContext returns a context in which [FromContext] returns i, without an error; nil stands for a visitor who isn't signed in.
// It is for tests of a handler alone: the functions of this package answer as they do behind [Resolver.Handler], and no store is
// asked. Package cloakroomtest has a whole server. It panics if i has no User, as no request's identity is without.
func NewContext(ctx context.Context, i *Identity) context.Context {
	if i != nil && i.User == nil {
		panic("auth: NewContext needs an Identity with a User; nil stands for a visitor")
	}
	record := reqinfo.Child(ctx)
	record.Auth, record.Session = &request{resolver: &Resolver{}, header: given{i}}, nil
	return record
}

// given is an identity that no request has brought.
type given struct{ identity *Identity }

func (given) sentByBrowsers() bool { return false }

func (c given) identify(context.Context, *Resolver) (*Identity, error) {
	if c.identity == nil {
		return nil, ErrNotAuthenticated
	}
	return c.identity, nil
}

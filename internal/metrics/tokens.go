package metrics

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/token"
)

// tokens measures the calls of a store of tokens that requests wait for.
type tokens struct {
	token.Store
	m *Metrics
}

var tokenAnswers = oneOf(token.ErrNotFound, token.ErrExists, token.ErrConflict)

// Tokens returns the store with its calls measured.
func (m *Metrics) Tokens(s token.Store) token.Store {
	if m == nil {
		return s
	}
	return tokens{s, m}
}

func (t tokens) Load(ctx context.Context, id token.ID) (r *token.Record, err error) {
	reqinfo.NoteStored(ctx)
	err = t.m.call("tokens", "load", tokenAnswers, func() error { r, err = t.Store.Load(ctx, id); return err })
	return r, err
}

func (t tokens) Replace(ctx context.Context, old, new *token.Record) error {
	return t.m.call("tokens", "replace", tokenAnswers, func() error { return t.Store.Replace(ctx, old, new) })
}

func (t tokens) Touch(ctx context.Context, uses []token.LastUse) error {
	return t.m.call("tokens", "touch", tokenAnswers, func() error { return t.Store.Touch(ctx, uses) })
}

func (t tokens) Delete(ctx context.Context, id token.ID) error {
	return t.m.call("tokens", "delete", tokenAnswers, func() error { return t.Store.Delete(ctx, id) })
}

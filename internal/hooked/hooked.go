// Package hooked puts a function around every call of a store.
package hooked

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/store"
)

// Hook carries out a call of a store, named as in "session.Load", by calling do at most once. It returns do's error or one of its own. If
// it returns an error, the caller of the store gets no value, and nothing is set in its records. do returns a [*RefusedError] if a function
// of the caller's refused what the store asked it; the caller gets what the store returned. A Hook must be safe for concurrent use.
type Hook func(ctx context.Context, call string, do func() error) error

// RefusedError is what a [Hook] sees if a function that the caller gave a store returned an error, which ended the call: the store has
// answered.
type RefusedError struct{ err error }

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

// Stores returns stores with a hook around each call. A store that is nil stays nil. Methods that the interface of a store doesn't have are
// lost.
func Stores(s store.Set, h Hook) store.Set {
	var hooked store.Set
	if s.Sessions != nil {
		hooked.Sessions = sessions{s.Sessions, h}
	}
	if s.Accounts != nil {
		hooked.Accounts = accounts{s.Accounts, h}
	}
	if s.Tokens != nil {
		hooked.Tokens = tokens{s.Tokens, h}
	}
	if s.Throttles != nil {
		hooked.Throttles = throttles{s.Throttles, h}
	}
	if s.Sealed != nil {
		hooked.Sealed = secrets{s.Sealed, h}
	}
	if s.Audit != nil {
		hooked.Audit = events{s.Audit, h}
	}
	if s.Factors != nil {
		hooked.Factors = factors{s.Factors, h}
	}
	if s.Signins != nil {
		hooked.Signins = signins{s.Signins, h}
	}
	if s.Links != nil {
		hooked.Links = links{s.Links, h}
	}
	if s.Grants != nil {
		hooked.Grants = grants{s.Grants, h}
	}
	if s.Mail != nil {
		hooked.Mail = outbox{s.Mail, h}
	}
	if s.Webhooks != nil {
		hooked.Webhooks = webhooks{s.Webhooks, h}
	}
	return hooked
}

// result calls a store that returns a value.
func result[T any](ctx context.Context, h Hook, name string, do func() (T, error)) (value T, err error) {
	err = h(ctx, name, func() (err error) { value, err = do(); return err })
	if err != nil {
		var none T
		return none, err
	}
	return value, nil
}

// stored calls a store that sets something in a record of the caller's.
func stored[R any](ctx context.Context, h Hook, name string, record *R, do func() error) error {
	before := *record
	err := h(ctx, name, do)
	if err != nil {
		*record = before
	}
	return err
}

// changed calls a store that calls a function of the caller's, which may refuse.
func changed[A, T any](ctx context.Context, h Hook, name string, change func(A) error, do func(change func(A) error) (T, error)) (T, error) {
	value, err := result(ctx, h, name, func() (T, error) {
		var refused error
		value, err := do(func(a A) error { refused = change(a); return refused })
		if refused != nil && errors.Is(err, refused) {
			err = &RefusedError{err}
		}
		return value, err
	})
	if refusal, ok := err.(*RefusedError); ok {
		err = refusal.err
	}
	return value, err
}

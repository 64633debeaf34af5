// Package sealed defines the store of sealed secrets, such as signing keys. Only the server secret opens them.
package sealed

import "context"

// Secret is one sealed secret.
type Secret struct {
	Name string // unique; bound into the seal, so that a value can't be moved to another name
	Box  []byte
}

// Store keeps sealed secrets. Its methods are safe for concurrent use. An error means that the store could not be read or written.
type Store interface {
	// Sealed returns all secrets in the order of their names.
	Sealed(ctx context.Context) ([]Secret, error)

	// PutSealed adds or replaces all of these secrets in one step.
	PutSealed(ctx context.Context, s []Secret) error

	// ReplaceAllSealed removes every secret and stores these instead, in one step.
	ReplaceAllSealed(ctx context.Context, s []Secret) error

	// AddSealed adds a secret unless one has its name, and returns the one that is stored afterwards.
	AddSealed(ctx context.Context, s Secret) (Secret, error)
}

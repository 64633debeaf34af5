package keyring

import "context"

// Sealed is a secret that only a holder of the server secret can open.
type Sealed struct {
	Name string // unique; bound into the seal, so that a value can't be moved to another name
	Box  []byte
}

// Store keeps sealed secrets.
type Store interface {
	// Sealed returns all of them, in the order of their names.
	Sealed(ctx context.Context) ([]Sealed, error)
	// PutSealed adds or replaces all of these in one step.
	PutSealed(ctx context.Context, s []Sealed) error
	// AddSealed adds one if none has its name, and returns the one that is there afterwards.
	AddSealed(ctx context.Context, s Sealed) (Sealed, error)
}

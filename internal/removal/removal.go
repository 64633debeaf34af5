// Package removal deletes from stores, of which some tell whether there was something to delete.
package removal

import "context"

// Remover is a store that tells what its Delete doesn't: whether there was a record.
type Remover[ID any] interface {
	// Remove is Delete, and reports whether it has removed a record. It may report false although it has; never true if there
	// was none.
	Remove(ctx context.Context, id ID) (removed bool, err error)
}

// Remove removes a record by the Remove of a store, or else by its Delete, and then reports false.
func Remove[ID any](ctx context.Context, store interface {
	Delete(ctx context.Context, id ID) error
}, id ID) (removed bool, err error) {
	if r, ok := store.(Remover[ID]); ok {
		return r.Remove(ctx, id)
	}
	return false, store.Delete(ctx, id)
}

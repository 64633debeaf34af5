package memory

import (
	"context"
	"sync"
)

// guard is the lock of a store. It is taken only by calls whose context has not ended.
type guard struct{ sync.RWMutex }

func (g *guard) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.Lock()
	return nil
}

func (g *guard) rlock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.RLock()
	return nil
}

// deleteUpTo deletes at most limit of the entries that are due, and returns how many.
func deleteUpTo[K comparable, V any](entries map[K]V, limit int, due func(V) bool) (n int) {
	for key, v := range entries {
		if n < limit && due(v) {
			delete(entries, key)
			n++
		}
	}
	return n
}

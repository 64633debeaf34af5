package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/audit"
)

type events struct {
	store audit.Store
	hook  Hook
}

// Append leaves no IDs in the events if it returns an error.
func (h events) Append(ctx context.Context, all []*audit.Event) error {
	stored := false
	err := h.hook(ctx, "audit.Append", func() error {
		err := h.store.Append(ctx, all)
		stored = err == nil
		return err
	})
	if err != nil && stored {
		for _, e := range all {
			e.ID = ""
		}
	}
	return err
}

func (h events) List(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	return result(ctx, h.hook, "audit.List", func() ([]*audit.Event, error) { return h.store.List(ctx, q) })
}

func (h events) DeleteOlder(ctx context.Context, before int64, limit int) (int, error) {
	return result(ctx, h.hook, "audit.DeleteOlder", func() (int, error) { return h.store.DeleteOlder(ctx, before, limit) })
}

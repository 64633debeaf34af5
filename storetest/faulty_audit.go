package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/audit"
)

type faultyAudit struct {
	store audit.Store
	plan  *FaultPlan
}

// Append sets no IDs where it reports a failure.
func (f faultyAudit) Append(ctx context.Context, events []*audit.Event) error {
	copies := make([]*audit.Event, len(events))
	for i, e := range events {
		next := *e
		copies[i] = &next
	}
	if err := attempt(f.plan, "audit.Append", func() error { return f.store.Append(ctx, copies) }); err != nil {
		return err
	}
	for i, e := range copies {
		events[i].ID = e.ID
	}
	return nil
}

func (f faultyAudit) List(ctx context.Context, q audit.Query) ([]*audit.Event, error) {
	return value(f.plan, "audit.List", func() ([]*audit.Event, error) { return f.store.List(ctx, q) })
}

func (f faultyAudit) DeleteOlder(ctx context.Context, before int64, limit int) (int, error) {
	return value(f.plan, "audit.DeleteOlder", func() (int, error) { return f.store.DeleteOlder(ctx, before, limit) })
}

package storetest

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

type faultyWebhooks struct {
	store webhook.Store
	plan  *FaultPlan
}

func (f faultyWebhooks) Add(ctx context.Context, url string) error {
	return attempt(f.plan, "webhook.Add", func() error { return f.store.Add(ctx, url) })
}

func (f faultyWebhooks) Find(ctx context.Context, url string) (*webhook.Endpoint, error) {
	return value(f.plan, "webhook.Find", func() (*webhook.Endpoint, error) { return f.store.Find(ctx, url) })
}

func (f faultyWebhooks) List(ctx context.Context) ([]*webhook.Endpoint, error) {
	return value(f.plan, "webhook.List", func() ([]*webhook.Endpoint, error) { return f.store.List(ctx) })
}

func (f faultyWebhooks) Claim(ctx context.Context, url, holder string, now, until int64) (*webhook.Endpoint, error) {
	return value(f.plan, "webhook.Claim", func() (*webhook.Endpoint, error) { return f.store.Claim(ctx, url, holder, now, until) })
}

func (f faultyWebhooks) Save(ctx context.Context, e *webhook.Endpoint, holder string, until int64) error {
	return attempt(f.plan, "webhook.Save", func() error { return f.store.Save(ctx, e, holder, until) })
}

func (f faultyWebhooks) Remove(ctx context.Context, url string) error {
	return attempt(f.plan, "webhook.Remove", func() error { return f.store.Remove(ctx, url) })
}

func (f faultyWebhooks) Events(ctx context.Context, after string, limit int) ([]*audit.Event, error) {
	return value(f.plan, "webhook.Events", func() ([]*audit.Event, error) { return f.store.Events(ctx, after, limit) })
}

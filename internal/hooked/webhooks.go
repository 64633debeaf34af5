package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

type webhooks struct {
	store webhook.Store
	hook  Hook
}

func (h webhooks) AddEndpoint(ctx context.Context, url string) error {
	return h.hook(ctx, "webhook.AddEndpoint", func() error { return h.store.AddEndpoint(ctx, url) })
}

func (h webhooks) Find(ctx context.Context, url string) (*webhook.Endpoint, error) {
	return result(ctx, h.hook, "webhook.Find", func() (*webhook.Endpoint, error) { return h.store.Find(ctx, url) })
}

func (h webhooks) List(ctx context.Context) ([]*webhook.Endpoint, error) {
	return result(ctx, h.hook, "webhook.List", func() ([]*webhook.Endpoint, error) { return h.store.List(ctx) })
}

func (h webhooks) Claim(ctx context.Context, url, holder string, now, until int64) (*webhook.Endpoint, error) {
	return result(ctx, h.hook, "webhook.Claim", func() (*webhook.Endpoint, error) { return h.store.Claim(ctx, url, holder, now, until) })
}

func (h webhooks) Save(ctx context.Context, e *webhook.Endpoint, holder string, until int64) error {
	return h.hook(ctx, "webhook.Save", func() error { return h.store.Save(ctx, e, holder, until) })
}

func (h webhooks) Remove(ctx context.Context, url string) error {
	return h.hook(ctx, "webhook.Remove", func() error { return h.store.Remove(ctx, url) })
}

func (h webhooks) Events(ctx context.Context, after string, limit int) ([]*audit.Event, error) {
	return result(ctx, h.hook, "webhook.Events", func() ([]*audit.Event, error) { return h.store.Events(ctx, after, limit) })
}

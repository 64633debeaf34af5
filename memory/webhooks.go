package memory

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/webhook"
)

type webhooks struct {
	events *events

	mu  guard
	all map[string]*claimed // by URL
}

// claimed is an endpoint and who has it.
type claimed struct {
	webhook.Endpoint
	holder string
	until  int64
}

func newWebhooks(e *events) *webhooks { return &webhooks{events: e, all: map[string]*claimed{}} }

func (w *webhooks) AddEndpoint(ctx context.Context, url string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	last := w.events.lastID()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all[url] == nil {
		w.all[url] = &claimed{Endpoint: webhook.Endpoint{URL: url, Position: last}}
	}
	return nil
}

// lastID returns the ID of the event that was added last; "" if there was none.
func (s *events) lastID() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.last == 0 {
		return ""
	}
	return strconv.Itoa(s.last)
}

func (w *webhooks) Find(ctx context.Context, url string) (*webhook.Endpoint, error) {
	if err := w.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	c := w.all[url]
	if c == nil {
		return nil, webhook.ErrNotFound
	}
	return c.endpoint(), nil
}

func (c *claimed) endpoint() *webhook.Endpoint {
	e := c.Endpoint
	return &e
}

func (w *webhooks) List(ctx context.Context) ([]*webhook.Endpoint, error) {
	if err := w.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	var all []*webhook.Endpoint
	for _, url := range slices.Sorted(maps.Keys(w.all)) {
		all = append(all, w.all[url].endpoint())
	}
	return all, nil
}

func (w *webhooks) Claim(ctx context.Context, url, holder string, now, until int64) (*webhook.Endpoint, error) {
	if err := w.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer w.mu.Unlock()
	c := w.all[url]
	if c == nil || c.Due > now || c.until > now && c.holder != holder {
		return nil, webhook.ErrNotFound
	}
	c.holder, c.until = holder, until
	return c.endpoint(), nil
}

func (w *webhooks) Save(ctx context.Context, e *webhook.Endpoint, holder string, until int64) error {
	if err := w.mu.lock(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	c := w.all[e.URL]
	if c == nil || c.holder != holder {
		return webhook.ErrNotFound
	}
	c.Endpoint, c.until = *e, until
	return nil
}

func (w *webhooks) Remove(ctx context.Context, url string) error {
	if err := w.mu.lock(ctx); err != nil {
		return err
	}
	defer w.mu.Unlock()
	delete(w.all, url)
	return nil
}

func (w *webhooks) Events(ctx context.Context, after string, limit int) ([]*audit.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w.events.mu.RLock()
	defer w.events.mu.RUnlock()
	var found []*audit.Event
	for _, e := range w.events.all {
		if len(found) >= limit {
			break
		}
		if after == "" || compareIDs(e.ID, after) > 0 {
			found = append(found, copyEvent(e))
		}
	}
	return found, nil
}

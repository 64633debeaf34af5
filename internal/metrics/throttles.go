package metrics

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

// throttles measures the calls of a store of counters, and counts the attempts that were refused.
type throttles struct {
	throttle.Store
	m *Metrics
}

// Throttles returns the store with its calls measured.
func (m *Metrics) Throttles(s throttle.Store) throttle.Store {
	if m == nil {
		return s
	}
	return throttles{s, m}
}

func (h throttles) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	var refused error
	err := h.m.call("throttles", "update", func(err error) bool { return refused != nil && errors.Is(err, refused) }, func() error {
		return h.Store.Update(ctx, keys, func(c []throttle.Counter) error { refused = change(c); return refused })
	})
	if _, full := errors.AsType[*throttle.Error](err); full {
		h.m.refusals.Inc()
	}
	return err
}

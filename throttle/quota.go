package throttle

import (
	"context"
	"net/netip"
	"time"
)

// Quota is how often something may happen within a time, whether it succeeds or not.
type Quota struct {
	Kind   string // what is counted, such as "mail-network"
	Of     string // what it is counted for, folded so that all its spellings are equal
	Most   int    // how often it may happen
	Within time.Duration
}

// QuotaError says that a quota is used up.
type QuotaError struct {
	Quota      Quota
	RetryAfter time.Duration // whole seconds, at least one
}

func (e *QuotaError) Error() string { return "the quota " + e.Quota.Kind + " is used up" }

// Spend counts one use of each quota, in one step. If one of them is used up, it counts and writes nothing, and returns a *[QuotaError]
// of the first such one. Any other error means that the store couldn't answer. Quotas must be given in the same order each time.
func (g *Guard) Spend(ctx context.Context, quotas ...Quota) error {
	keys := make([]string, len(quotas))
	for i, q := range quotas {
		keys[i] = g.name(q.Kind, q.Of)
	}
	return g.store().Update(ctx, keys, func(counters []Counter) error {
		now := time.Now().Unix()
		for i, q := range quotas {
			c, within := &counters[i], int64(q.Within/time.Second)
			if now >= c.Since+within || now < c.Since {
				*c = Counter{Since: now}
			}
			if c.Tries >= q.Most {
				return &QuotaError{q, time.Duration(c.Since+within-now) * time.Second}
			}
		}
		for i, q := range quotas {
			counters[i].Tries++
			counters[i].Ends = counters[i].Since + int64(q.Within/time.Second)
		}
		return nil
	})
}

// Network returns what an address counts as: an IPv6 address by its /64.
func Network(a netip.Addr) string { return network(a).String() }

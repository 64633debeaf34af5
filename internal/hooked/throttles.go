package hooked

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/throttle"
)

type throttles struct {
	store throttle.Store
	hook  Hook
}

func (h throttles) Update(ctx context.Context, keys []string, change func([]throttle.Counter) error) error {
	_, err := changed(ctx, h.hook, "throttle.Update", change, func(change func([]throttle.Counter) error) (struct{}, error) {
		return struct{}{}, h.store.Update(ctx, keys, change)
	})
	return err
}

func (h throttles) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	return result(ctx, h.hook, "throttle.DeleteExpired", func() (int, error) { return h.store.DeleteExpired(ctx, now, limit) })
}

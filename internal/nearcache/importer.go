package nearcache

import (
	"context"
	"errors"
	"slices"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/internal/userimport"
)

// fencedAtOnce is how many users are changed behind one fence, which doesn't hold for long.
const fencedAtOnce = 25

// Importer returns the importer of the store that [Cache.Accounts] wraps, with a fence before what it changes. Where
// somebody is changed, it takes over users in several steps.
func (c *Cache) Importer(store userimport.Importer) userimport.Importer { return importer{store, c} }

type importer struct {
	userimport.Importer
	cache *Cache
}

// Import is fenced where it changes somebody; who is new is in no memory. Which of them that is can't be known before it
// is done, so it is begun without a fence.
func (i importer) Import(
	ctx context.Context, users []userimport.Imported, later bool, agree func([]userimport.Result) error,
) ([]userimport.Result, error) {
	tried, err := i.behind(ctx, nil, users, later, agree)
	if !errors.Is(err, errFence) {
		return tried, err
	}
	results := make([]userimport.Result, 0, len(users))
	for few := range slices.Chunk(users, fencedAtOnce) {
		begin := len(results)
		some, err := i.fenced(ctx, changed(tried[begin:begin+len(few)], nil), few, later, agree)
		if err != nil {
			return nil, err
		}
		results = append(results, some...)
	}
	return results, nil
}

// fenced takes over a few users behind a fence of these keys; without one, if there are none. What another import has changed
// meanwhile may want a wider fence.
func (i importer) fenced(
	ctx context.Context, keys []fence.Key, users []userimport.Imported, later bool, agree func([]userimport.Result) error,
) (results []userimport.Result, err error) {
	write := func(ctx context.Context) (err error) {
		results, err = i.behind(ctx, keys, users, later, agree)
		return err
	}
	for {
		if len(keys) == 0 {
			err = write(ctx)
		} else {
			err = i.cache.validator.Write(ctx, keys, write)
		}
		if !errors.Is(err, errFence) {
			return results, err
		}
		keys = append(keys, changed(results, keys)...)
	}
}

// behind takes over users if all that it changes are under the keys that are fenced. [errFence]: they are not.
func (i importer) behind(
	ctx context.Context, fenced []fence.Key, users []userimport.Imported, later bool, agree func([]userimport.Result) error,
) ([]userimport.Result, error) {
	return i.Importer.Import(ctx, users, later, func(results []userimport.Result) error {
		if agree != nil {
			if err := agree(results); err != nil {
				return err
			}
		}
		if len(changed(results, fenced)) > 0 {
			return errFence
		}
		return nil
	})
}

// changed returns the keys of those who were changed and are not fenced.
func changed(results []userimport.Result, fenced []fence.Key) (keys []fence.Key) {
	for _, r := range results {
		if !r.Changed {
			continue
		}
		if k := accountKey(r.User.ID); !slices.Contains(fenced, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

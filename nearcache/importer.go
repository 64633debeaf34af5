package nearcache

import (
	"context"
	"errors"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

// fencedAtOnce is how many users are changed behind one fence, which doesn't hold for long.
const fencedAtOnce = 25

// Importer returns the importer of the store that [Cache.Accounts] wraps, with a fence before what it changes. Where
// somebody is changed, it takes over users in several steps.
func (c *Cache) Importer(store account.Importer) account.Importer { return importer{store, c} }

type importer struct {
	account.Importer
	cache *Cache
}

// Import is fenced where it changes somebody; who is new is in no memory. Which of them that is can't be known before it
// is done, so it is begun without a fence.
func (i importer) Import(
	ctx context.Context, users []account.Imported, later bool, agree func([]account.ImportResult) error,
) ([]account.ImportResult, error) {
	results, _, err := i.behind(ctx, nil, users, later, agree)
	if !errors.Is(err, errFence) {
		return results, err
	}
	results = nil
	for few := range slices.Chunk(users, fencedAtOnce) {
		some, err := i.fenced(ctx, few, later, agree)
		if err != nil {
			return nil, err
		}
		results = append(results, some...)
	}
	return results, nil
}

// fenced takes over a few users. What another import has changed meanwhile may want a wider fence.
func (i importer) fenced(
	ctx context.Context, users []account.Imported, later bool, agree func([]account.ImportResult) error,
) (results []account.ImportResult, err error) {
	results, wanted, err := i.behind(ctx, nil, users, later, agree)
	for keys := wanted; errors.Is(err, errFence); keys = append(keys, wanted...) {
		err = i.cache.truth.fence(ctx, keys, func(ctx context.Context) (err error) {
			results, wanted, err = i.behind(ctx, keys, users, later, agree)
			return err
		})
	}
	return results, err
}

// behind takes over users if all that it changes are under the keys that are fenced. [errFence]: those wanted are not.
func (i importer) behind(
	ctx context.Context, fenced []key, users []account.Imported, later bool, agree func([]account.ImportResult) error,
) (results []account.ImportResult, wanted []key, err error) {
	results, err = i.Importer.Import(ctx, users, later, func(results []account.ImportResult) error {
		if agree != nil {
			if err := agree(results); err != nil {
				return err
			}
		}
		wanted = nil
		for _, r := range results {
			if k := (key{anAccount, textSum(idOf(r))}); r.Changed && !slices.Contains(fenced, k) {
				wanted = append(wanted, k)
			}
		}
		if len(wanted) > 0 {
			return errFence
		}
		return nil
	})
	return results, wanted, err
}

func idOf(r account.ImportResult) string {
	if r.User == nil {
		return ""
	}
	return r.User.ID
}

package nearcache

import (
	"context"
	"errors"
	"slices"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/token"
)

// How many users are changed behind one fence, which doesn't hold for long: first a few, twice as many after each step that took less
// than a twelfth of that, and half as many after one that took longer. A notice has room for the most.
const (
	fencedFirst, fencedMost = 25, 100
	fencedQuickly           = fence.BlockFor / 12
)

// Importer returns the importer of the store that [Cache.Accounts] wraps, with a fence for the users that it changes. If it
// changes any, it imports in several transactions.
func (c *Cache) Importer(s store.Importer) store.Importer { return importer{s, c} }

type importer struct {
	store.Importer
	cache *Cache
}

// Import is fenced if it changes users; new users are in no cache. Which users it changes is known only afterwards, so it runs
// first without a fence, and is rolled back if it needed one.
func (i importer) Import(
	ctx context.Context, users []store.ImportedUser, later bool, agree func([]store.ImportResult) error,
) ([]store.ImportResult, error) {
	tried, err := i.behind(ctx, nil, users, later, agree)
	if !errors.Is(err, errFence) {
		return tried, err
	}
	results := make([]store.ImportResult, 0, len(users))
	for size := fencedFirst; len(results) < len(users); {
		begin, began := len(results), i.cache.now()
		end := min(begin+size, len(users))
		some, err := i.fenced(ctx, changed(tried[begin:end], nil), users[begin:end], later, agree)
		if err != nil {
			return nil, err
		}
		results = append(results, some...)
		if i.cache.now()-began < fencedQuickly {
			size = min(2*size, fencedMost)
		} else {
			size = max(size/2, 1)
		}
	}
	return results, nil
}

// fenced imports a few users behind the fence of these keys, or without a fence if there are none. If another import has changed
// more meanwhile, it adds keys and runs again.
func (i importer) fenced(
	ctx context.Context, keys []fence.Key, users []store.ImportedUser, later bool, agree func([]store.ImportResult) error,
) (results []store.ImportResult, err error) {
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

// behind imports users, or returns [errFence] and changes nothing if it would change a user who isn't fenced.
func (i importer) behind(
	ctx context.Context, fenced []fence.Key, users []store.ImportedUser, later bool, agree func([]store.ImportResult) error,
) ([]store.ImportResult, error) {
	return i.Importer.Import(ctx, users, later, func(results []store.ImportResult) error {
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

// ImportToken is not fenced: a new token takes nothing away.
func (i importer) ImportToken(ctx context.Context, r *token.Record, dry bool) (added bool, err error) {
	defer i.cache.forget(fence.Key{Kind: fence.Token, Sum: fence.IDSum(r.ID)})
	return i.Importer.ImportToken(ctx, r, dry)
}

// changed returns the keys of the changed users, and of their tokens, that are not fenced.
func changed(results []store.ImportResult, fenced []fence.Key) (keys []fence.Key) {
	for _, r := range results {
		if !r.Changed {
			continue
		}
		for _, k := range []fence.Key{accountKey(r.User.ID), tokensOf(r.User.ID)} {
			if !slices.Contains(fenced, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

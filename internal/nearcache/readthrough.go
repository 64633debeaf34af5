package nearcache

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// view caches the records of one store.
type view[ID comparable, R any] struct {
	cache   *Cache
	kind    byte // of the keys
	present *table[R]
	absent  *table[ID] // IDs without a record; nil: absence isn't cached. Apart, so that strangers can't evict records
	flights flights

	load     func(context.Context, ID) (*R, error)
	notFound error // of load
	sum      func(ID) fence.Sum
	id       func(*R) ID
	owner    func(*R) fence.Key            // under which all records of a user are revoked; nil: there is no such key
	copy     func(*R) (copied R, size int) // a copy that nothing else refers to, and its size in bytes
	expired  func(r *R, now int64) bool    // nil: records don't expire
}

// absentBytes bounds the memory of IDs without a record.
const absentBytes = 4 << 20

// get returns the record of an ID, or notFound. now is the time that expired takes.
func (v *view[ID, R]) get(ctx context.Context, id ID, now int64) (*R, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err, live := v.cached(id, now)
	switch {
	case r != nil || err != nil:
		return r, err
	case !live:
		return v.read(ctx, id, v.load)
	}
	return v.readShared(ctx, id, now, v.load)
}

// cached returns the cached record, notFound if it is cached that there is none, or neither. live reports whether anything
// may be served from memory. A record that seems to have expired may have been used on another node, which only the store
// knows.
func (v *view[ID, R]) cached(id ID, now int64) (r *R, err error, live bool) {
	at, live := v.cache.live()
	if !live {
		return nil, nil, false
	}
	k := v.sum(id)
	if e := v.present.get(at, k); e != nil && v.id(&e.value) == id {
		if v.expired != nil && v.expired(&e.value, now) || v.ownerRevoked(e) {
			return nil, nil, true
		}
		return &e.value, nil, true
	}
	if v.absent != nil {
		if e := v.absent.get(at, k); e != nil && e.value == id {
			return nil, v.notFound, true
		}
	}
	return nil, nil, true
}

func (v *view[ID, R]) ownerRevoked(e *entry[R]) bool {
	return v.owner != nil && v.cache.tombstones.anyOwner() && !v.cache.tombstones.permitsOwner(e.since, v.owner(&e.value))
}

// readShared reads the store once for all callers that miss the same ID at the same time.
func (v *view[ID, R]) readShared(ctx context.Context, id ID, now int64, load func(context.Context, ID) (*R, error)) (*R, error) {
	var r *R
	var err error
	ran, outage := v.flights.share(ctx, v.sum(id), func() error {
		if r, err = v.read(ctx, id, load); errors.Is(err, v.notFound) {
			return nil
		}
		return err
	})
	if ran {
		return r, err
	}
	// What the other caller read may be older than this call, so it counts only if it may be served now.
	if r, err, _ := v.cached(id, now); r != nil || err != nil {
		return r, err
	}
	if outage != nil {
		return nil, outage
	}
	return v.read(ctx, id, load)
}

// read asks the store by load, and caches the answer if it may be cached.
func (v *view[ID, R]) read(ctx context.Context, id ID, load func(context.Context, ID) (*R, error)) (*R, error) {
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	begun := v.cache.beginRead()
	r, err := load(ctx, id)
	switch {
	case err == nil:
		v.keep(begun, r)
	case begun.ok && errors.Is(err, v.notFound) && v.absent != nil:
		v.absent.put(v.cache.now(), begun.since, v.sum(id), id, absentSize, begun.unchanged)
	}
	return r, err
}

// keep caches a record that a read has returned, if it may be cached.
func (v *view[ID, R]) keep(begun reading, r *R) {
	if !begun.ok {
		return
	}
	copied, size := v.copy(r)
	v.present.put(v.cache.now(), begun.since, v.sum(v.id(r)), copied, size, begun.unchanged)
}

// reading is a read of the store that was begun.
type reading struct {
	since     time.Duration
	ok        bool // what is read may be cached
	unchanged func() bool
}

// beginRead begins a read of the store. What the store returns afterwards may be cached as of then.
func (c *Cache) beginRead() reading {
	since := c.now()
	point, ok := c.validator.BeginRead()
	return reading{since, ok, func() bool { return c.validator.Unchanged(point) }}
}

// key returns the key of one record.
func (v *view[ID, R]) key(id ID) fence.Key { return fence.Key{Kind: v.kind, Sum: v.sum(id)} }

// drop removes the entry of a sum.
func (v *view[ID, R]) drop(s fence.Sum) {
	v.present.drop(s)
	if v.absent != nil {
		v.absent.drop(s)
	}
}

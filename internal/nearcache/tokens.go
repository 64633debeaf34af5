package nearcache

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/token"
)

// tokens is a token.Store and a token.Viewer. What it doesn't mention, the store does alone.
type tokens struct {
	token.Store
	cache   *Cache
	known   *table[token.Record]
	unknown *table[token.ID] // bounded apart, as with sessions
	flights flights
	names   interner
}

// Tokens returns the store with a memory before it, which is a [token.Viewer] too.
func (c *Cache) Tokens(store token.Store) token.Store {
	t := &tokens{
		Store: store, cache: c,
		known:   newTable[token.Record](aToken, &c.marks, c.limit/4),
		unknown: newTable[token.ID](aToken, &c.marks, unknownBytes),
	}
	c.dropToken = func(k sum) {
		t.known.drop(k)
		t.unknown.drop(k)
	}
	return t
}

func tokenSum(id token.ID) sum { return sum(id[:16]) }

// View implements token.Viewer.
func (t *tokens) View(ctx context.Context, id token.ID) (*token.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err, live := t.remembered(id)
	if r != nil || err != nil {
		return r, err
	}
	again := func() (*token.Record, error) {
		r, err, _ := t.remembered(id)
		return r, err
	}
	load := func() (*token.Record, error) { return t.load(ctx, id) }
	return miss(ctx, live, &t.flights, tokenSum(id), token.ErrNotFound, again, load)
}

// remembered returns what is known of a token, ErrNotFound if it is known that there is none, or neither.
func (t *tokens) remembered(id token.ID) (r *token.Record, err error, live bool) {
	at, live := t.cache.live()
	if !live {
		return nil, nil, false
	}
	k := tokenSum(id)
	if e := t.known.get(at, k); e != nil && e.value.ID == id {
		if t.cache.marks.owned(e.since, func() key { return key{tokensOf, textSum(e.value.User)} }) {
			return &e.value, nil, true
		}
		return nil, nil, true
	}
	if e := t.unknown.get(at, k); e != nil && e.value == id {
		return nil, token.ErrNotFound, true
	}
	return nil, nil, true
}

// load asks the store, and keeps what it says.
func (t *tokens) load(ctx context.Context, id token.ID) (*token.Record, error) {
	since := t.cache.now()
	point, ok := t.cache.truth.begin()
	r, err := t.Store.Load(ctx, id)
	if !ok || err != nil && !errors.Is(err, token.ErrNotFound) {
		return r, err
	}
	still := func() bool { return t.cache.truth.same(point) }
	if err != nil {
		t.unknown.put(t.cache.now(), since, tokenSum(id), id, unknownSize, still)
		return nil, err
	}
	kept, size := t.compact(r)
	t.known.put(t.cache.now(), since, tokenSum(id), kept, size, still)
	return r, nil
}

// Create is fenced where it may take the place of another token.
func (t *tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	create := func(ctx context.Context) error { return t.Store.Create(ctx, r, limit) }
	defer t.cache.forget(key{aToken, tokenSum(r.ID)})
	if limit.Max > 0 && limit.Evict {
		return t.cache.truth.fence(ctx, []key{{tokensOf, textSum(r.User)}}, create)
	}
	return create(ctx)
}

func (t *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	return t.cache.truth.fence(ctx, []key{{aToken, tokenSum(old.ID)}}, func(ctx context.Context) error {
		return t.Store.Replace(ctx, old, new)
	})
}

func (t *tokens) Touch(ctx context.Context, uses []token.Used) error {
	if err := t.Store.Touch(ctx, uses); err != nil {
		return err
	}
	for _, use := range uses {
		t.known.replace(tokenSum(use.ID), func(r token.Record) (token.Record, bool) {
			if r.ID != use.ID || use.At <= r.Used {
				return r, false
			}
			r.Used = use.At
			return r, true
		})
	}
	return nil
}

func (t *tokens) Delete(ctx context.Context, id token.ID) error {
	return t.cache.truth.fence(ctx, []key{{aToken, tokenSum(id)}}, func(ctx context.Context) error {
		return t.Store.Delete(ctx, id)
	})
}

func (t *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (n int, err error) {
	err = t.cache.truth.fence(ctx, []key{{tokensOf, textSum(user)}}, func(ctx context.Context) error {
		n, err = t.Store.DeleteUser(ctx, user, kinds...)
		return err
	})
	return n, err
}

// compact returns a copy of the record with its texts in one piece, and what it costs in bytes.
func (t *tokens) compact(r *token.Record) (token.Record, int) {
	kept := *r
	kind := string(kept.Kind)
	shared := t.names.intern(&kind) + t.names.intern(&kept.Agent)
	kept.Kind = token.Kind(kind)
	n := pack(&kept.PublicID, &kept.User, &kept.Epoch, &kept.Name, &kept.IP, &kept.Version)
	kept.Scopes, kept.Data = slices.Clone(r.Scopes), bytes.Clone(r.Data)
	for _, scope := range kept.Scopes {
		n += len(scope) + int(unsafe.Sizeof(scope))
	}
	return kept, int(unsafe.Sizeof(entry[token.Record]{})) + slot + n + shared + len(kept.Data)
}

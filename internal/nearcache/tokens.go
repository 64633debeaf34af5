package nearcache

import (
	"bytes"
	"context"
	"slices"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/token"
)

// tokens is a token.Store and a token.CheckLoader. Methods that it doesn't define go straight to the store.
type tokens struct {
	token.Store
	view  view[token.ID, token.Record]
	cache *Cache
	names interner
}

// Tokens returns the store behind a cache. It is a [token.CheckLoader] too.
func (c *Cache) Tokens(store token.Store) token.Store {
	t := &tokens{Store: store, cache: c}
	t.view = view[token.ID, token.Record]{
		cache: c, kind: fence.Token,
		present: newTable[token.Record](fence.Token, &c.tombstones, c.limit/4),
		absent:  newTable[token.ID](fence.Token, &c.tombstones, absentBytes),
		load:    store.Load, notFound: token.ErrNotFound,
		sum:   func(id token.ID) fence.Sum { return fence.IDSum(id) },
		id:    func(r *token.Record) token.ID { return r.ID },
		owner: func(r *token.Record) fence.Key { return tokensOf(r.User) },
		copy:  t.copy,
	}
	c.dropToken = t.view.drop
	return t
}

func tokensOf(user string) fence.Key {
	return fence.Key{Kind: fence.TokensOf, Sum: fence.UserSum(user)}
}

// LoadCached implements token.CheckLoader.
func (t *tokens) LoadCached(ctx context.Context, id token.ID) (*token.Record, error) {
	return t.view.get(ctx, id, 0)
}

// Create is fenced if it may evict another token.
func (t *tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	create := func(ctx context.Context) error { return t.Store.Create(ctx, r, limit) }
	defer t.cache.forget(t.view.key(r.ID))
	if limit.Max > 0 && limit.Evict {
		return t.cache.fenced(ctx, create, tokensOf(r.User))
	}
	return create(ctx)
}

func (t *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	return t.cache.fenced(ctx, func(ctx context.Context) error {
		return t.Store.Replace(ctx, old, new)
	}, t.view.key(old.ID))
}

func (t *tokens) Touch(ctx context.Context, uses []token.LastUse) error {
	if err := t.Store.Touch(ctx, uses); err != nil {
		return err
	}
	for _, use := range uses {
		t.view.present.replace(t.view.sum(use.ID), func(r token.Record) (token.Record, bool) {
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
	return t.cache.fenced(ctx, func(ctx context.Context) error { return t.Store.Delete(ctx, id) }, t.view.key(id))
}

func (t *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (n int, err error) {
	err = t.cache.fenced(ctx, func(ctx context.Context) error {
		n, err = t.Store.DeleteUser(ctx, user, kinds...)
		return err
	}, tokensOf(user))
	return n, err
}

// DeleteUsers is DeleteUser for many users.
func (t *tokens) DeleteUsers(ctx context.Context, users []string, kinds ...token.Kind) (n map[string]int, err error) {
	keys := make([]fence.Key, len(users))
	for i, user := range users {
		keys[i] = tokensOf(user)
	}
	err = t.cache.fenced(ctx, func(ctx context.Context) error {
		n, err = removal.Tokens(ctx, t.Store, users, kinds...)
		return err
	}, keys...)
	return n, err
}

// copy returns a copy of the record with its strings in one piece of memory, and its size in bytes.
func (t *tokens) copy(r *token.Record) (token.Record, int) {
	kept := *r
	kind := string(kept.Kind)
	shared := t.names.intern(&kind) + t.names.intern(&kept.Agent)
	kept.Kind = token.Kind(kind)
	kept.Scopes, kept.Data = slices.Clone(r.Scopes), bytes.Clone(r.Data)
	scopes := listed(kept.Scopes)
	n := pack(append(scopes, &kept.PublicID, &kept.User, &kept.Epoch, &kept.Name, &kept.IP, &kept.Version)...)
	n += len(scopes) * int(unsafe.Sizeof(""))
	return kept, int(unsafe.Sizeof(entry[token.Record]{})) + slotBytes + n + shared + len(kept.Data)
}

package nearcache

import (
	"bytes"
	"context"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
)

// sessions is a session.Store and a session.CheckLoader. Methods that it doesn't define go straight to the store.
type sessions struct {
	session.Store
	view   view[session.ID, session.Record]
	cache  *Cache
	agents charged
}

// Sessions returns the store behind a cache. It is a [session.CheckLoader] too.
func (c *Cache) Sessions(store session.Store) session.Store {
	s := &sessions{Store: store, cache: c}
	s.view = view[session.ID, session.Record]{
		cache: c, kind: fence.Session,
		present: newTable[session.Record](fence.Session, &c.tombstones, c.limit/2),
		absent:  newTable[session.ID](fence.Session, &c.tombstones, absentBytes),
		load:    store.Load, notFound: session.ErrNotFound,
		sum:     func(id session.ID) fence.Sum { return fence.IDSum(id) },
		id:      func(r *session.Record) session.ID { return r.ID },
		owner:   func(r *session.Record) fence.Key { return sessionsOf(r.User) },
		expired: func(r *session.Record, now int64) bool { return now >= r.Expires },
		copy:    s.copy,
	}
	c.sessions, c.dropSession = s, s.view.drop
	return s
}

func sessionsOf(user string) fence.Key {
	return fence.Key{Kind: fence.SessionsOf, Sum: fence.UserSum(user)}
}

// LoadCached implements session.CheckLoader.
func (s *sessions) LoadCached(ctx context.Context, id session.ID, now int64) (*session.Record, error) {
	return s.view.get(ctx, id, now)
}

func (s *sessions) Create(ctx context.Context, r *session.Record) error {
	err := s.Store.Create(ctx, r)
	s.cache.forget(s.view.key(r.ID))
	return err
}

func (s *sessions) Replace(ctx context.Context, old, new *session.Record) error {
	err := s.cache.fenced(ctx, func(ctx context.Context) error {
		return s.Store.Replace(ctx, old, new)
	}, s.view.key(old.ID))
	if new.ID != old.ID {
		s.cache.forget(s.view.key(new.ID))
	}
	return err
}

// Touch takes nothing away, so it isn't fenced: a node that doesn't hear of it asks the store before it says that the
// session has expired.
func (s *sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	if err := s.Store.Touch(ctx, uses); err != nil {
		return err
	}
	for _, use := range uses {
		s.view.present.replace(s.view.sum(use.ID), func(r session.Record) (session.Record, bool) {
			if r.ID != use.ID || use.At <= r.Seen || use.At >= r.Expires {
				return r, false
			}
			r.Seen, r.Expires = use.At, use.Expires
			return r, true
		})
	}
	return nil
}

// Delete is fenced even if there is no such session: another node may be about to end it, and this answer must not overtake
// that node's.
func (s *sessions) Delete(ctx context.Context, id session.ID) error {
	_, err := s.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover, as Delete.
func (s *sessions) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	err = s.cache.fenced(ctx, func(ctx context.Context) error {
		removed, err = removal.Remove(ctx, s.Store, id)
		return err
	}, s.view.key(id))
	return removed && err == nil, err
}

func (s *sessions) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	err = s.cache.fenced(ctx, func(ctx context.Context) error {
		n, err = s.Store.DeleteUser(ctx, user, except)
		return err
	}, sessionsOf(user))
	return n, err
}

// DeleteUsers is DeleteUser for many users.
func (s *sessions) DeleteUsers(ctx context.Context, users []string) (n map[string]int, err error) {
	keys := make([]fence.Key, len(users))
	for i, user := range users {
		keys[i] = sessionsOf(user)
	}
	err = s.cache.fenced(ctx, func(ctx context.Context) error {
		n, err = removal.Sessions(ctx, s.Store, users)
		return err
	}, keys...)
	return n, err
}

// slotBytes is about the cost of a place in a map, beside the entry.
const slotBytes = 28

var absentSize = int(unsafe.Sizeof(entry[session.ID]{})) + slotBytes

// copy returns a copy of the record with its strings in one piece of memory, and its size in bytes. A User-Agent counts for the first
// record that has it: most are shared by many, but a client can make up one for each session.
func (s *sessions) copy(r *session.Record) (session.Record, int) {
	kept := *r
	n := pack(&kept.PublicID, &kept.User, &kept.Epoch, &kept.IP, &kept.Version, &kept.Binding)
	kept.Values = bytes.Clone(r.Values)
	return kept, int(unsafe.Sizeof(entry[session.Record]{})) + slotBytes + n + len(kept.Values) + s.agents.charge(r.Agent)
}

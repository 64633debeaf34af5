package nearcache

import (
	"bytes"
	"context"
	"errors"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/session"
)

// sessions is a session.Store and a session.Viewer. What it doesn't mention, the store does alone.
type sessions struct {
	session.Store
	cache   *Cache
	known   *table[session.Record]
	unknown *table[session.ID] // of tickets that name nothing; bounded apart, so that strangers can't crowd out what is known
	flights flights
	names   interner
}

// unknownBytes bounds what is remembered of tickets that name nothing.
const unknownBytes = 4 << 20

// Sessions returns the store with a memory before it, which is a [session.Viewer] too.
func (c *Cache) Sessions(store session.Store) session.Store {
	s := &sessions{
		Store: store, cache: c,
		known:   newTable[session.Record](aSession, &c.marks, c.limit/2),
		unknown: newTable[session.ID](aSession, &c.marks, unknownBytes),
	}
	c.dropSession = func(k sum) {
		s.known.drop(k)
		s.unknown.drop(k)
	}
	return s
}

// View implements session.Viewer.
func (s *sessions) View(ctx context.Context, id session.ID, now int64) (*session.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err, live := s.remembered(id, now)
	if r != nil || err != nil {
		return r, err
	}
	again := func() (*session.Record, error) {
		r, err, _ := s.remembered(id, now)
		return r, err
	}
	load := func() (*session.Record, error) { return s.load(ctx, id) }
	return miss(ctx, live, &s.flights, sessionSum(id), session.ErrNotFound, again, load)
}

// remembered returns what is known of a session, ErrNotFound if it is known that there is none, or neither. A session
// that seems to have expired may have been used on another node, which the store knows.
func (s *sessions) remembered(id session.ID, now int64) (r *session.Record, err error, live bool) {
	at, live := s.cache.live()
	if !live {
		return nil, nil, false
	}
	k := sessionSum(id)
	if e := s.known.get(at, k); e != nil && e.value.ID == id {
		owner := func() key { return key{sessionsOf, textSum(e.value.User)} }
		if now < e.value.Expires && s.cache.marks.owned(e.since, owner) {
			return &e.value, nil, true
		}
		return nil, nil, true
	}
	if e := s.unknown.get(at, k); e != nil && e.value == id {
		return nil, session.ErrNotFound, true
	}
	return nil, nil, true
}

// load asks the store, and keeps what it says.
func (s *sessions) load(ctx context.Context, id session.ID) (*session.Record, error) {
	since := s.cache.now()
	point, ok := s.cache.truth.begin()
	r, err := s.Store.Load(ctx, id)
	if !ok || err != nil && !errors.Is(err, session.ErrNotFound) {
		return r, err
	}
	still := func() bool { return s.cache.truth.same(point) }
	if err != nil {
		s.unknown.put(s.cache.now(), since, sessionSum(id), id, unknownSize, still)
		return nil, err
	}
	kept, size := s.compact(r)
	s.known.put(s.cache.now(), since, sessionSum(id), kept, size, still)
	return r, nil
}

func (s *sessions) Create(ctx context.Context, r *session.Record) error {
	err := s.Store.Create(ctx, r)
	s.cache.forget(key{aSession, sessionSum(r.ID)})
	return err
}

func (s *sessions) Replace(ctx context.Context, old, new *session.Record) error {
	err := s.cache.truth.fence(ctx, []key{{aSession, sessionSum(old.ID)}}, func(ctx context.Context) error {
		return s.Store.Replace(ctx, old, new)
	})
	if new.ID != old.ID {
		s.cache.forget(key{aSession, sessionSum(new.ID)})
	}
	return err
}

// Touch takes nothing away, so it is not fenced: nodes that don't hear of it ask the store before they say that the
// session has expired.
func (s *sessions) Touch(ctx context.Context, uses []session.Seen) error {
	if err := s.Store.Touch(ctx, uses); err != nil {
		return err
	}
	for _, use := range uses {
		s.known.replace(sessionSum(use.ID), func(r session.Record) (session.Record, bool) {
			if r.ID != use.ID || use.At <= r.Seen || use.At >= r.Expires {
				return r, false
			}
			r.Seen, r.Expires = use.At, use.Expires
			return r, true
		})
	}
	return nil
}

// Delete is fenced also when there is no such session: another node may be about to end it, and must not be overtaken
// by the word that it has ended.
func (s *sessions) Delete(ctx context.Context, id session.ID) error {
	return s.cache.truth.fence(ctx, []key{{aSession, sessionSum(id)}}, func(ctx context.Context) error {
		return s.Store.Delete(ctx, id)
	})
}

func (s *sessions) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	err = s.cache.truth.fence(ctx, []key{{sessionsOf, textSum(user)}}, func(ctx context.Context) error {
		n, err = s.Store.DeleteUser(ctx, user, except)
		return err
	})
	return n, err
}

// slot is about what a place in a map costs, beside the entry.
const slot = 36

var unknownSize = int(unsafe.Sizeof(entry[session.ID]{})) + slot

// compact returns a copy of the record with its texts in one piece, and what it costs in bytes.
func (s *sessions) compact(r *session.Record) (session.Record, int) {
	kept := *r
	shared := s.names.intern(&kept.Method) + s.names.intern(&kept.Agent)
	n := pack(&kept.PublicID, &kept.User, &kept.Epoch, &kept.IP, &kept.Version)
	kept.Values = bytes.Clone(r.Values)
	return kept, int(unsafe.Sizeof(entry[session.Record]{})) + slot + n + shared + len(kept.Values)
}

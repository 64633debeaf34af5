package main

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cloakroom-auth/cloakroom/session"
)

// Sessions is a session.Store in a map. A real program would use a database that it has anyway.
type Sessions struct {
	mu      sync.Mutex
	records map[session.ID]session.Record
	former  map[session.ID]string // IDs before a rotation → the public ID of the session
	version int
}

// NewSessions returns an empty store.
func NewSessions() *Sessions {
	return &Sessions{records: map[session.ID]session.Record{}, former: map[session.ID]string{}}
}

var _ session.Store = (*Sessions)(nil)

// Create implements session.Store.
func (s *Sessions) Create(ctx context.Context, r *session.Record) error {
	return s.do(ctx, func() error {
		if s.taken(r, session.ID{}) {
			return session.ErrExists
		}
		s.put(r)
		return nil
	})
}

// Load implements session.Store.
func (s *Sessions) Load(ctx context.Context, id session.ID) (found *session.Record, err error) {
	return found, s.do(ctx, func() error {
		r, ok := s.records[id]
		if !ok {
			return session.ErrNotFound
		}
		found = clone(r)
		return nil
	})
}

// Replace implements session.Store.
func (s *Sessions) Replace(ctx context.Context, old, new *session.Record) error {
	return s.do(ctx, func() error {
		stored, ok := s.records[old.ID]
		switch {
		case !ok:
			return session.ErrNotFound
		case stored.Version != old.Version:
			return session.ErrConflict
		case s.taken(new, old.ID):
			return session.ErrExists
		}
		next := *clone(*new)
		if new.ID == old.ID { // keeps a use that was recorded in the meantime
			next.Seen, next.Expires = max(new.Seen, stored.Seen), max(new.Expires, stored.Expires)
		}
		if new.PublicID != stored.PublicID { // it becomes another session
			s.end(stored)
		}
		delete(s.records, old.ID)
		s.put(&next)
		new.Version = next.Version
		if new.ID != old.ID && new.PublicID == stored.PublicID {
			s.former[old.ID] = new.PublicID
		}
		return nil
	})
}

// Touch implements session.Store.
func (s *Sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	return s.do(ctx, func() error {
		for _, use := range uses {
			r, ok := s.records[use.ID]
			if ok && use.At > r.Seen && use.At < r.Expires {
				r.Seen, r.Expires = use.At, use.Expires
				s.records[use.ID] = r
			}
		}
		return nil
	})
}

// Delete implements session.Store.
func (s *Sessions) Delete(ctx context.Context, id session.ID) error {
	return s.do(ctx, func() error {
		if r, ok := s.records[id]; ok {
			s.end(r)
		}
		return nil
	})
}

// DeleteUser implements session.Store.
func (s *Sessions) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	return n, s.do(ctx, func() error {
		n = s.remove(-1, func(r session.Record) bool { return r.User == user && (r.ID != except || except == session.ID{}) })
		return nil
	})
}

// List implements session.Store.
func (s *Sessions) List(ctx context.Context, q session.Query) (all []*session.Record, err error) {
	return all, s.do(ctx, func() error {
		for _, r := range s.records {
			if (q.User == "" || r.User == q.User) && (q.PublicID == "" || r.PublicID == q.PublicID) &&
				(q.FormerID == session.ID{} || r.ID == q.FormerID || s.former[q.FormerID] == r.PublicID) && r.PublicID > q.After {
				all = append(all, clone(r))
			}
		}
		slices.SortFunc(all, func(a, b *session.Record) int { return strings.Compare(a.PublicID, b.PublicID) })
		if q.Limit > 0 && len(all) > q.Limit {
			all = all[:q.Limit]
		}
		return nil
	})
}

// DeleteExpired implements session.Store.
func (s *Sessions) DeleteExpired(ctx context.Context, now int64, limit int) (n int, err error) {
	return n, s.do(ctx, func() error {
		n = s.remove(limit, func(r session.Record) bool { return r.Expires <= now })
		return nil
	})
}

// do runs one method as a single step.
func (s *Sessions) do(ctx context.Context, step func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return step()
}

// put stores a record under a version that is never used twice.
func (s *Sessions) put(r *session.Record) {
	s.version++
	r.Version = strconv.Itoa(s.version)
	s.records[r.ID] = *clone(*r)
}

// taken reports whether a session other than the one with the ID except has r's ID or public ID.
func (s *Sessions) taken(r *session.Record, except session.ID) bool {
	for id, other := range s.records {
		if id != except && (id == r.ID || other.PublicID == r.PublicID) {
			return true
		}
	}
	return false
}

// remove removes at most limit sessions that match; a negative limit means all of them.
func (s *Sessions) remove(limit int, match func(session.Record) bool) (n int) {
	for _, r := range s.records {
		if n == limit {
			break
		}
		if match(r) {
			s.end(r)
			n++
		}
	}
	return n
}

// end removes a session and its former IDs.
func (s *Sessions) end(r session.Record) {
	delete(s.records, r.ID)
	maps.DeleteFunc(s.former, func(_ session.ID, public string) bool { return public == r.PublicID })
}

func clone(r session.Record) *session.Record {
	r.Values = bytes.Clone(r.Values)
	return &r
}

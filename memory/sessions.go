package memory

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/session"
)

type sessions struct {
	mu guard
	index[session.ID, *sessionEntry]
	retired map[session.ID]*sessionEntry // by the IDs before rotations
	ends    expiries[*sessionEntry]
	version uint64 // of the last write; never used twice, so that a session that is created again isn't mistaken for the former one
}

type sessionEntry struct {
	session.Record
	retired []session.ID // IDs from before rotations, the oldest first
	at      int          // in the heap
}

func (e *sessionEntry) keys() (session.ID, string, string) { return e.ID, e.PublicID, e.User }

func (e *sessionEntry) end() int64      { return e.Expires }
func (e *sessionEntry) heapIndex() *int { return &e.at }

// copy returns a Record that shares nothing with the entry.
func (e *sessionEntry) copy() *session.Record {
	r := e.Record
	r.Values = bytes.Clone(r.Values)
	return &r
}

func newSessions() *sessions {
	return &sessions{index: newIndex[session.ID, *sessionEntry](), retired: map[session.ID]*sessionEntry{}}
}

func (s *sessions) Create(ctx context.Context, r *session.Record) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.taken(r, nil) {
		return session.ErrExists
	}
	s.add(r)
	return nil
}

func (s *sessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	if err := s.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	e, ok := s.byID[id]
	if !ok {
		return nil, session.ErrNotFound
	}
	return e.copy(), nil
}

// LoadCached implements session.CheckLoader. Memory answers at once, so a check needs no time limit.
func (s *sessions) LoadCached(ctx context.Context, id session.ID, _ int64) (*session.Record, error) {
	return s.Load(ctx, id)
}

func (s *sessions) Replace(ctx context.Context, old, new *session.Record) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e, ok := s.byID[old.ID]
	switch {
	case !ok:
		return session.ErrNotFound
	case e.Version != old.Version:
		return session.ErrConflict
	case s.taken(new, e):
		return session.ErrExists
	}
	next := *new
	if new.ID == old.ID {
		next.Seen = max(new.Seen, e.Seen)
		next.Expires = max(new.Expires, e.Expires)
	}
	retired := e.retired
	if new.ID != old.ID {
		retired = append(retired, old.ID)
	}
	s.remove(e)
	added := s.add(&next)
	if new.PublicID == e.PublicID {
		s.retire(added, retired)
	}
	new.Version = next.Version
	return nil
}

func (s *sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, use := range uses {
		e, ok := s.byID[use.ID]
		if !ok || use.At <= e.Seen || use.At >= e.Expires {
			continue
		}
		e.Seen, e.Expires = use.At, use.Expires
		s.ends.update(e)
	}
	return nil
}

func (s *sessions) Delete(ctx context.Context, id session.ID) error {
	_, err := s.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover.
func (s *sessions) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	if err := s.mu.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	e, ok := s.byID[id]
	if ok {
		s.remove(e)
	}
	return ok, nil
}

func (s *sessions) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := 0
	for e := range s.byUser[user] {
		if e.ID == except && except != (session.ID{}) {
			continue
		}
		s.remove(e)
		n++
	}
	return n, nil
}

func (s *sessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	if err := s.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var found []*sessionEntry
	if q.PublicID == "" && q.FormerID != (session.ID{}) {
		found = s.byFormer(q.FormerID)
	} else {
		found = s.candidates(q.PublicID, q.User)
	}
	found = slices.DeleteFunc(found, func(e *sessionEntry) bool {
		return q.User != "" && e.User != q.User || q.After != "" && e.PublicID <= q.After ||
			q.FormerID != (session.ID{}) && e.ID != q.FormerID && s.retired[q.FormerID] != e
	})
	return page(found, q.Limit, (*sessionEntry).copy), nil
}

// byFormer returns the entries that have or had an ID.
func (s *sessions) byFormer(id session.ID) (found []*sessionEntry) {
	for _, e := range []*sessionEntry{s.byID[id], s.retired[id]} {
		if e != nil && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	return found
}

func (s *sessions) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.ends.removeEnded(now, limit, s.remove), nil
}

// CountLive returns how many sessions have not expired by now.
func (s *sessions) CountLive(ctx context.Context, now int64) (int, error) {
	if err := s.mu.rlock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	return s.ends.live(now), nil
}

// taken reports whether the ID or public ID of r belongs to an entry other than mine.
func (s *sessions) taken(r *session.Record, mine *sessionEntry) bool {
	byID, isID := s.byID[r.ID]
	byPublic, isPublic := s.byPublic[r.PublicID]
	return isID && byID != mine || isPublic && byPublic != mine
}

// retire stores the former IDs of a session.
func (s *sessions) retire(e *sessionEntry, ids []session.ID) {
	for _, id := range ids {
		if former := s.retired[id]; former != nil && former != e {
			former.retired = slices.DeleteFunc(former.retired, func(other session.ID) bool { return other == id })
		}
		s.retired[id] = e
	}
	e.retired = ids
}

// add stores a copy of r under a new version, which it sets in r as well.
func (s *sessions) add(r *session.Record) *sessionEntry {
	s.version++
	r.Version = strconv.FormatUint(s.version, 10)
	e := &sessionEntry{Record: *r}
	e.Values = bytes.Clone(r.Values)
	s.index.add(e)
	s.ends.add(e)
	return e
}

func (s *sessions) remove(e *sessionEntry) {
	for _, id := range e.retired {
		delete(s.retired, id)
	}
	s.index.remove(e)
	s.ends.remove(e)
}

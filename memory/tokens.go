package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/token"
)

type tokens struct {
	mu guard
	index[token.ID, *tokenEntry]
	ends    expiries[*tokenEntry] // of tokens that expire
	created uint64                // how many tokens were ever created
	version uint64                // of the last write; never used twice
}

type tokenEntry struct {
	token.Record
	number uint64 // in the order of creation
	at     int    // in the heap
}

func (e *tokenEntry) keys() (token.ID, string, string) { return e.ID, e.PublicID, e.User }

func (e *tokenEntry) end() int64      { return e.Expires }
func (e *tokenEntry) heapIndex() *int { return &e.at }

// copy returns a Record that shares nothing with the token.
func (e *tokenEntry) copy() *token.Record {
	r := e.Record
	r.Scopes, r.Data = slices.Clone(r.Scopes), bytes.Clone(r.Data)
	return &r
}

func newTokens() *tokens {
	return &tokens{index: newIndex[token.ID, *tokenEntry]()}
}

func (s *tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.byID[r.ID] != nil || s.byPublic[r.PublicID] != nil {
		return token.ErrExists
	}
	if !s.makeRoom(r, limit) {
		return token.ErrLimit
	}
	s.created++
	s.version++
	r.Version = strconv.FormatUint(s.version, 10)
	s.add(&tokenEntry{Record: *r, number: s.created})
	return nil
}

// makeRoom reports whether r is within the limit. It deletes the oldest tokens if limit.Evict is set.
func (s *tokens) makeRoom(r *token.Record, limit token.Limit) bool {
	if limit.Max <= 0 {
		return true
	}
	var live []*tokenEntry
	for e := range s.byUser[r.User] {
		if e.Kind == r.Kind && (e.Expires == 0 || e.Expires > limit.Now) {
			live = append(live, e)
		}
	}
	surplus := len(live) - limit.Max + 1
	if surplus <= 0 {
		return true
	}
	if !limit.Evict {
		return false
	}
	slices.SortFunc(live, func(a, b *tokenEntry) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.number, b.number))
	})
	for _, e := range live[:surplus] {
		s.remove(e)
	}
	return true
}

func (s *tokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	if err := s.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	e, ok := s.byID[id]
	if !ok {
		return nil, token.ErrNotFound
	}
	return e.copy(), nil
}

// LoadCached implements token.CheckLoader. Memory answers at once, so a check needs no time limit.
func (s *tokens) LoadCached(ctx context.Context, id token.ID) (*token.Record, error) {
	return s.Load(ctx, id)
}

func (s *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	e, ok := s.byID[old.ID]
	switch {
	case !ok:
		return token.ErrNotFound
	case e.Version != old.Version:
		return token.ErrConflict
	}
	next := *new
	next.ID, next.PublicID, next.Used = e.ID, e.PublicID, max(new.Used, e.Used)
	s.version++
	next.Version = strconv.FormatUint(s.version, 10)
	s.remove(e)
	s.add(&tokenEntry{Record: next, number: e.number})
	new.Version = next.Version
	return nil
}

func (s *tokens) Touch(ctx context.Context, uses []token.LastUse) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, use := range uses {
		if e, ok := s.byID[use.ID]; ok {
			e.Used = max(e.Used, use.At)
		}
	}
	return nil
}

func (s *tokens) Delete(ctx context.Context, id token.ID) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if e, ok := s.byID[id]; ok {
		s.remove(e)
	}
	return nil
}

func (s *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := 0
	for e := range s.byUser[user] {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			s.remove(e)
			n++
		}
	}
	return n, nil
}

func (s *tokens) List(ctx context.Context, q token.Query) ([]*token.Record, error) {
	if err := s.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	found := slices.DeleteFunc(s.candidates(q.PublicID, q.User), func(e *tokenEntry) bool {
		return q.User != "" && e.User != q.User || q.Kind != "" && e.Kind != q.Kind || q.After != "" && e.PublicID <= q.After
	})
	return page(found, q.Limit, (*tokenEntry).copy), nil
}

func (s *tokens) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.ends.removeEnded(now, limit, s.remove), nil
}

// add stores a token, and copies its slices.
func (s *tokens) add(e *tokenEntry) {
	e.Record = *e.copy()
	s.index.add(e)
	if e.Expires > 0 {
		s.ends.add(e)
	}
}

func (s *tokens) remove(e *tokenEntry) {
	s.index.remove(e)
	if e.Expires > 0 {
		s.ends.remove(e)
	}
}

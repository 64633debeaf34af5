package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/cloakroom-auth/cloakroom/token"
)

type tokens struct {
	mu       sync.RWMutex
	byID     map[token.ID]*held
	byPublic map[string]*held
	byUser   map[string]map[*held]struct{}
	ends     expiries[*held] // those that end
	made     uint64          // how many there ever were: the order of their making
	version  uint64          // of the last write; never used twice
}

type held struct {
	token.Record
	number uint64 // in the order of making
	at     int
}

func (h *held) end() int64  { return h.Expires }
func (h *held) place() *int { return &h.at }

// copy returns a Record that shares nothing with the token.
func (h *held) copy() *token.Record {
	r := h.Record
	r.Scopes, r.Data = slices.Clone(r.Scopes), bytes.Clone(r.Data)
	return &r
}

func newTokens() *tokens {
	return &tokens{byID: map[token.ID]*held{}, byPublic: map[string]*held{}, byUser: map[string]map[*held]struct{}{}}
}

func (s *tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[r.ID] != nil || s.byPublic[r.PublicID] != nil {
		return token.ErrExists
	}
	if !s.makeRoom(r, limit) {
		return token.ErrLimit
	}
	s.made++
	s.version++
	r.Version = strconv.FormatUint(s.version, 10)
	s.add(&held{Record: *r, number: s.made})
	return nil
}

// makeRoom reports whether there is room for r, after the oldest have gone if they may.
func (s *tokens) makeRoom(r *token.Record, limit token.Limit) bool {
	if limit.Max <= 0 {
		return true
	}
	var live []*held
	for h := range s.byUser[r.User] {
		if h.Kind == r.Kind && (h.Expires == 0 || h.Expires > limit.Now) {
			live = append(live, h)
		}
	}
	surplus := len(live) - limit.Max + 1
	if surplus <= 0 {
		return true
	}
	if !limit.Evict {
		return false
	}
	slices.SortFunc(live, func(a, b *held) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.number, b.number))
	})
	for _, h := range live[:surplus] {
		s.remove(h)
	}
	return true
}

func (s *tokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	h, ok := s.byID[id]
	if !ok {
		return nil, token.ErrNotFound
	}
	return h.copy(), nil
}

func (s *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.byID[old.ID]
	switch {
	case !ok:
		return token.ErrNotFound
	case h.Version != old.Version:
		return token.ErrConflict
	}
	next := *new
	next.ID, next.PublicID, next.Used = h.ID, h.PublicID, max(new.Used, h.Used)
	s.version++
	next.Version = strconv.FormatUint(s.version, 10)
	s.remove(h)
	s.add(&held{Record: next, number: h.number})
	new.Version = next.Version
	return nil
}

func (s *tokens) Touch(ctx context.Context, uses []token.Used) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, use := range uses {
		if h, ok := s.byID[use.ID]; ok {
			h.Used = max(h.Used, use.At)
		}
	}
	return nil
}

func (s *tokens) Delete(ctx context.Context, id token.ID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.byID[id]; ok {
		s.remove(h)
	}
	return nil
}

func (s *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for h := range s.byUser[user] {
		if len(kinds) == 0 || slices.Contains(kinds, h.Kind) {
			s.remove(h)
			n++
		}
	}
	return n, nil
}

func (s *tokens) List(ctx context.Context, q token.Query) ([]*token.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*held
	for _, h := range s.candidates(q) {
		if (q.User == "" || h.User == q.User) && (q.Kind == "" || h.Kind == q.Kind) && (q.After == "" || h.PublicID > q.After) {
			found = append(found, h)
		}
	}
	slices.SortFunc(found, func(a, b *held) int { return cmp.Compare(a.PublicID, b.PublicID) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	records := make([]*token.Record, len(found))
	for i, h := range found {
		records[i] = h.copy()
	}
	return records, nil
}

// candidates narrows a query down by the best index there is for it.
func (s *tokens) candidates(q token.Query) (found []*held) {
	switch {
	case q.PublicID != "":
		if h, ok := s.byPublic[q.PublicID]; ok {
			found = append(found, h)
		}
	case q.User != "":
		for h := range s.byUser[q.User] {
			found = append(found, h)
		}
	default:
		for _, h := range s.byID {
			found = append(found, h)
		}
	}
	return found
}

func (s *tokens) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range max(limit, 0) {
		h, ok := s.ends.first(now)
		if !ok {
			return n, nil
		}
		s.remove(h)
	}
	return max(limit, 0), nil
}

// add stores a token, whose slices may be the caller's.
func (s *tokens) add(h *held) {
	h.Record = *h.copy()
	s.byID[h.ID], s.byPublic[h.PublicID] = h, h
	if s.byUser[h.User] == nil {
		s.byUser[h.User] = map[*held]struct{}{}
	}
	s.byUser[h.User][h] = struct{}{}
	if h.Expires > 0 {
		s.ends.add(h)
	}
}

func (s *tokens) remove(h *held) {
	delete(s.byID, h.ID)
	delete(s.byPublic, h.PublicID)
	delete(s.byUser[h.User], h)
	if len(s.byUser[h.User]) == 0 {
		delete(s.byUser, h.User)
	}
	if h.Expires > 0 {
		s.ends.remove(h)
	}
}

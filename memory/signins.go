package memory

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/signin"
)

type signins struct {
	mu      guard
	pending map[signin.ID]*pendingEntry
	marks   map[[32]byte]int64 // when they expire
	created uint64             // how many pending sign-ins were ever created
}

type pendingEntry struct {
	signin.Pending
	number uint64 // in the order of creation
}

func newSignins() *signins {
	return &signins{pending: map[signin.ID]*pendingEntry{}, marks: map[[32]byte]int64{}}
}

// copy returns a Pending that shares nothing with the entry.
func (e *pendingEntry) copy() *signin.Pending {
	p := e.Pending
	p.Methods, p.Data = slices.Clone(p.Methods), bytes.Clone(p.Data)
	return &p
}

func (s *signins) Create(ctx context.Context, p *signin.Pending, most int) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.pending[p.ID] != nil {
		return signin.ErrExists
	}
	s.created++
	e := &pendingEntry{*p, s.created}
	e.Pending = *e.copy()
	s.pending[p.ID] = e
	s.evict(p.User, p.Created, max(most, 1))
	return nil
}

// evict deletes the oldest pending sign-ins of a user that have not expired, so that most are left.
func (s *signins) evict(user string, now int64, most int) {
	var live []*pendingEntry
	for _, e := range s.pending {
		if e.User == user && e.Expires > now {
			live = append(live, e)
		}
	}
	slices.SortFunc(live, func(a, b *pendingEntry) int { return cmp.Compare(b.number, a.number) })
	for _, e := range live[min(most, len(live)):] {
		delete(s.pending, e.ID)
	}
}

func (s *signins) Load(ctx context.Context, id signin.ID) (*signin.Pending, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	e := s.pending[id]
	if e == nil {
		return nil, signin.ErrNotFound
	}
	return e.copy(), nil
}

func (s *signins) Fail(ctx context.Context, id signin.ID) (tries int, err error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	e := s.pending[id]
	if e == nil {
		return 0, signin.ErrNotFound
	}
	e.Tries++
	return e.Tries, nil
}

func (s *signins) Spend(ctx context.Context, id signin.ID) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.pending[id] == nil {
		return signin.ErrNotFound
	}
	delete(s.pending, id)
	return nil
}

func (s *signins) MarkSpent(ctx context.Context, hash [32]byte, expires int64) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, spent := s.marks[hash]; spent {
		return signin.ErrSpent
	}
	s.marks[hash] = expires
	return nil
}

func (s *signins) DeleteUser(ctx context.Context, user string) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	before := len(s.pending)
	maps.DeleteFunc(s.pending, func(_ signin.ID, e *pendingEntry) bool { return e.User == user })
	return before - len(s.pending), nil
}

func (s *signins) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := deleteUpTo(s.pending, limit, func(e *pendingEntry) bool { return e.Expires <= now })
	return n + deleteUpTo(s.marks, limit-n, func(expires int64) bool { return expires <= now }), nil
}

// CountLive returns how many pending sign-ins of known users have not expired by now.
func (s *signins) CountLive(ctx context.Context, now int64) (n int, err error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for _, e := range s.pending {
		if e.Expires > now && e.User != "" {
			n++
		}
	}
	return n, nil
}

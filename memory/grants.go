package memory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type grants struct {
	mu  guard
	all map[string]*federation.Grant // by their sessions
}

func newGrants() *grants { return &grants{all: map[string]*federation.Grant{}} }

func copiedGrant(g *federation.Grant) *federation.Grant {
	c := *g
	c.Box = slices.Clone(g.Box)
	return &c
}

func (s *grants) Put(ctx context.Context, g *federation.Grant) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.all[g.Session] != nil {
		return federation.ErrGrantExists
	}
	s.all[g.Session] = copiedGrant(g)
	return nil
}

func (s *grants) Get(ctx context.Context, session string) (*federation.Grant, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if g := s.all[session]; g != nil {
		return copiedGrant(g), nil
	}
	return nil, federation.ErrNoGrant
}

func (s *grants) Swap(ctx context.Context, old, new *federation.Grant) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	g := s.all[old.Session]
	if g == nil || g.Version != old.Version || new.Session != old.Session && s.all[new.Session] != nil {
		return federation.ErrGrantChanged
	}
	delete(s.all, old.Session)
	s.all[new.Session] = copiedGrant(new)
	return nil
}

func (s *grants) Delete(ctx context.Context, g *federation.Grant) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if stored := s.all[g.Session]; stored == nil || stored.Version != g.Version {
		return federation.ErrGrantChanged
	}
	delete(s.all, g.Session)
	return nil
}

func (s *grants) List(ctx context.Context, user, after string, limit int) ([]*federation.Grant, error) {
	return s.page(ctx, limit, func(g *federation.Grant) bool { return (user == "" || g.User == user) && g.Session > after }, func(a, b *federation.Grant) int {
		return strings.Compare(a.Session, b.Session)
	})
}

func (s *grants) Due(ctx context.Context, now int64, limit int) ([]*federation.Grant, error) {
	return s.page(ctx, limit, func(g *federation.Grant) bool { return g.Due <= now }, func(a, b *federation.Grant) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), strings.Compare(a.Session, b.Session))
	})
}

// page returns at most limit grants, in order.
func (s *grants) page(ctx context.Context, limit int, wanted func(*federation.Grant) bool, order func(a, b *federation.Grant) int) ([]*federation.Grant, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var list []*federation.Grant
	for _, g := range s.all {
		if wanted(g) {
			list = append(list, copiedGrant(g))
		}
	}
	slices.SortFunc(list, order)
	return list[:min(len(list), max(limit, 0))], nil
}

package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type links struct {
	mu      guard
	links   []*federation.Link // the earliest first
	origins map[string]*federation.SessionOrigin
	logouts map[[32]byte]*federation.Logout
}

func newLinks() *links {
	return &links{origins: map[string]*federation.SessionOrigin{}, logouts: map[[32]byte]*federation.Logout{}}
}

func copied[T any](v *T) *T {
	c := *v
	return &c
}

func (s *links) Add(ctx context.Context, l *federation.Link) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.links, func(o *federation.Link) bool {
		return o.ID == l.ID || o.Issuer == l.Issuer && o.Subject == l.Subject
	}) {
		return federation.ErrExists
	}
	s.links = append(s.links, copied(l))
	return nil
}

func (s *links) Find(ctx context.Context, issuer, subject string) (*federation.Link, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l.Issuer == issuer && l.Subject == subject {
			return copied(l), nil
		}
	}
	return nil, federation.ErrNotFound
}

func (s *links) List(ctx context.Context, user string) ([]*federation.Link, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var list []*federation.Link
	for _, l := range s.links {
		if l.User == user {
			list = append(list, copied(l))
		}
	}
	return list, nil
}

func (s *links) Use(ctx context.Context, id string, at int64, email string) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, l := range s.links {
		if l.ID == id {
			l.Used, l.Email = max(l.Used, at), email
			return nil
		}
	}
	return federation.ErrNotFound
}

func (s *links) Remove(ctx context.Context, user, id string, keep int) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	found, others := -1, 0
	for i, l := range s.links {
		switch {
		case l.User == user && l.ID == id:
			found = i
		case l.User == user:
			others++
		}
	}
	if found < 0 {
		return federation.ErrNotFound
	}
	if others < keep {
		return federation.ErrTooFew
	}
	s.links = slices.Delete(s.links, found, found+1)
	return nil
}

func (s *links) DeleteUser(ctx context.Context, user string) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	before := len(s.links)
	s.links = slices.DeleteFunc(s.links, func(l *federation.Link) bool { return l.User == user })
	maps.DeleteFunc(s.origins, func(_ string, o *federation.SessionOrigin) bool { return o.User == user })
	return before - len(s.links), nil
}

func (s *links) AddOrigin(ctx context.Context, o *federation.SessionOrigin) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.origins[o.Session] = copied(o)
	return nil
}

func (s *links) Origins(ctx context.Context, issuer, subject, sid string) ([]*federation.SessionOrigin, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var list []*federation.SessionOrigin
	for _, o := range s.origins {
		if o.Issuer == issuer && (subject != "" && o.Subject == subject || subject == "" && sid != "" && o.SID == sid) {
			list = append(list, copied(o))
		}
	}
	return list, nil
}

func (s *links) Origin(ctx context.Context, session string) (*federation.SessionOrigin, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if o := s.origins[session]; o != nil {
		return copied(o), nil
	}
	return nil, federation.ErrNotFound
}

func (s *links) Note(ctx context.Context, l *federation.Logout) (*federation.Logout, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.logouts[l.Token] == nil {
		s.logouts[l.Token] = copied(l)
	}
	return copied(s.logouts[l.Token]), nil
}

func (s *links) LoggedOut(ctx context.Context, issuer, subject, sid string) (at int64, _ error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for _, l := range s.logouts {
		if l.Issuer == issuer && (l.Subject != "" && l.Subject == subject || l.SID != "" && l.SID == sid) {
			at = max(at, l.At)
		}
	}
	return at, nil
}

func (s *links) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := deleteUpTo(s.origins, limit, func(o *federation.SessionOrigin) bool { return o.Expires <= now })
	return n + deleteUpTo(s.logouts, limit-n, func(l *federation.Logout) bool { return l.Expires <= now }), nil
}

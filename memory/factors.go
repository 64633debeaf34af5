package memory

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/factor"
)

type factors struct {
	mu    guard
	users map[string]*profile
}

// profile is what one user has.
type profile struct {
	factors    []*factor.Factor // the earliest first
	codes      map[[32]byte]bool
	handle     []byte
	secondStep bool
}

func newFactors() *factors { return &factors{users: map[string]*profile{}} }

// user returns the profile of a user, which is made if there is none.
func (s *factors) user(id string) *profile {
	p := s.users[id]
	if p == nil {
		p = &profile{}
		s.users[id] = p
	}
	return p
}

// find returns the first factor that is as asked; nil if there is none.
func (s *factors) find(is func(*factor.Factor) bool) *factor.Factor {
	for _, p := range s.users {
		if i := slices.IndexFunc(p.factors, is); i >= 0 {
			return p.factors[i]
		}
	}
	return nil
}

func (s *factors) byID(id string) *factor.Factor {
	return s.find(func(f *factor.Factor) bool { return f.ID == id })
}

func (s *factors) byCredential(credential []byte) *factor.Factor {
	return s.find(func(f *factor.Factor) bool { return f.Credential != nil && bytes.Equal(f.Credential, credential) })
}

func copyFactor(f *factor.Factor) *factor.Factor {
	c := *f
	c.Credential, c.Data = bytes.Clone(f.Credential), bytes.Clone(f.Data)
	return &c
}

func (s *factors) Load(ctx context.Context, user string) (*factor.Profile, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	stored := s.users[user]
	if stored == nil {
		return &factor.Profile{}, nil
	}
	p := &factor.Profile{RecoveryCodes: len(stored.codes), SecondStep: stored.secondStep, Handle: bytes.Clone(stored.handle)}
	for _, f := range stored.factors {
		p.Factors = append(p.Factors, copyFactor(f))
	}
	return p, nil
}

func (s *factors) FindCredential(ctx context.Context, credential []byte) (*factor.Factor, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	f := s.byCredential(credential)
	if f == nil {
		return nil, factor.ErrNotFound
	}
	return copyFactor(f), nil
}

func (s *factors) Add(ctx context.Context, f *factor.Factor) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	isTOTP := func(other *factor.Factor) bool { return other.Kind == factor.TOTP }
	switch {
	case s.byID(f.ID) != nil, f.Credential != nil && s.byCredential(f.Credential) != nil,
		isTOTP(f) && slices.ContainsFunc(s.user(f.User).factors, isTOTP):
		return factor.ErrExists
	}
	p := s.user(f.User)
	p.factors = append(p.factors, copyFactor(f))
	return nil
}

func (s *factors) SetState(ctx context.Context, id string, from, to factor.State, epoch string) error {
	return s.change(ctx, id, func(f *factor.Factor) error {
		if f.State != from {
			return factor.ErrNotFound
		}
		f.State, f.Epoch = to, epoch
		return nil
	})
}

func (s *factors) Use(ctx context.Context, id string, u factor.LastUse) error {
	return s.change(ctx, id, func(f *factor.Factor) error {
		if u.Once && u.Counter <= f.Counter {
			return factor.ErrUsed
		}
		f.Used, f.Counter = max(f.Used, u.At), max(f.Counter, u.Counter)
		if u.Data != nil {
			f.Data = bytes.Clone(u.Data)
		}
		return nil
	})
}

func (s *factors) Rename(ctx context.Context, id, name string) error {
	return s.change(ctx, id, func(f *factor.Factor) error {
		f.Name = name
		return nil
	})
}

// change calls do for the factor with this ID.
func (s *factors) change(ctx context.Context, id string, do func(*factor.Factor) error) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	f := s.byID(id)
	if f == nil {
		return factor.ErrNotFound
	}
	return do(f)
}

func (s *factors) Delete(ctx context.Context, id string) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, p := range s.users {
		p.factors = slices.DeleteFunc(p.factors, func(f *factor.Factor) bool { return f.ID == id })
	}
	return nil
}

func (s *factors) List(ctx context.Context, kind factor.Kind, after string, limit int) (list []*factor.Factor, _ error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, p := range s.users {
		for _, f := range p.factors {
			if f.Kind == kind && f.ID > after {
				list = append(list, copyFactor(f))
			}
		}
	}
	slices.SortFunc(list, func(a, b *factor.Factor) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], nil
}

func (s *factors) ReplaceData(ctx context.Context, id string, old, new []byte) (replaced bool, err error) {
	err = s.change(ctx, id, func(f *factor.Factor) error {
		if replaced = bytes.Equal(f.Data, old); replaced {
			f.Data = bytes.Clone(new)
		}
		return nil
	})
	if errors.Is(err, factor.ErrNotFound) {
		err = nil
	}
	return replaced, err
}

func (s *factors) DeleteUser(ctx context.Context, user string) (int, error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := len(s.user(user).factors)
	delete(s.users, user)
	return n, nil
}

func (s *factors) SetRecoveryCodes(ctx context.Context, user string, hashes [][32]byte) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	codes := map[[32]byte]bool{}
	for _, hash := range hashes {
		codes[hash] = true
	}
	s.user(user).codes = codes
	return nil
}

func (s *factors) SpendRecoveryCode(ctx context.Context, user string, hash [32]byte) (left int, err error) {
	if err := s.mu.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	codes := s.user(user).codes
	if !codes[hash] {
		return 0, factor.ErrUsed
	}
	delete(codes, hash)
	return len(codes), nil
}

func (s *factors) AddHandle(ctx context.Context, user string, handle []byte) ([]byte, error) {
	if err := s.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for id, other := range s.users {
		if id != user && other.handle != nil && bytes.Equal(other.handle, handle) {
			return nil, factor.ErrExists
		}
	}
	p := s.user(user)
	if p.handle == nil {
		p.handle = bytes.Clone(handle)
	}
	return bytes.Clone(p.handle), nil
}

func (s *factors) FindHandle(ctx context.Context, handle []byte) (string, error) {
	if err := s.mu.lock(ctx); err != nil {
		return "", err
	}
	defer s.mu.Unlock()
	for id, p := range s.users {
		if p.handle != nil && bytes.Equal(p.handle, handle) {
			return id, nil
		}
	}
	return "", factor.ErrNotFound
}

func (s *factors) SetSecondStep(ctx context.Context, user string, on bool) error {
	if err := s.mu.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.user(user).secondStep = on
	return nil
}

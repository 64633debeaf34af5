package session_test

import (
	"context"
	"errors"
	"sync"

	"github.com/cloakroom-auth/cloakroom/session"
)

// accounts is a session.Epochs whose epochs a test changes.
type accounts struct {
	mu     sync.Mutex
	epochs map[string]string
	err    error
	asked  int
}

func (a *accounts) Epoch(_ context.Context, user string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.err != nil {
		return "", a.err
	}
	epoch, ok := a.epochs[user]
	if !ok {
		return "", nil
	}
	return epoch, nil
}

func (a *accounts) move(user, epoch string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epochs[user] = epoch
}

// watched is a store whose calls a test sees and can fail: before makes a call fail without effect, after makes it fail
// although it took effect.
type watched struct {
	session.Store
	before, after func(method string) error
}

var errOutage = errors.New("the store is down")

func (s *watched) call(method string, do func() error) error {
	if s.before != nil {
		if err := s.before(method); err != nil {
			return err
		}
	}
	err := do()
	if err == nil && s.after != nil {
		err = s.after(method)
	}
	return err
}

func (s *watched) Create(ctx context.Context, r *session.Record) error {
	return s.call("Create", func() error { return s.Store.Create(ctx, r) })
}

func (s *watched) Load(ctx context.Context, id session.ID) (r *session.Record, err error) {
	err = s.call("Load", func() error { r, err = s.Store.Load(ctx, id); return err })
	return r, err
}

func (s *watched) Replace(ctx context.Context, old, new *session.Record) error {
	return s.call("Replace", func() error { return s.Store.Replace(ctx, old, new) })
}

func (s *watched) Touch(ctx context.Context, uses []session.LastUse) error {
	return s.call("Touch", func() error { return s.Store.Touch(ctx, uses) })
}

func (s *watched) Delete(ctx context.Context, id session.ID) error {
	return s.call("Delete", func() error { return s.Store.Delete(ctx, id) })
}

func (s *watched) DeleteUser(ctx context.Context, user string, except session.ID) (n int, err error) {
	err = s.call("DeleteUser", func() error { n, err = s.Store.DeleteUser(ctx, user, except); return err })
	return n, err
}

func (s *watched) List(ctx context.Context, q session.Query) (all []*session.Record, err error) {
	err = s.call("List", func() error { all, err = s.Store.List(ctx, q); return err })
	return all, err
}

func (s *watched) DeleteExpired(ctx context.Context, now int64, limit int) (n int, err error) {
	err = s.call("DeleteExpired", func() error { n, err = s.Store.DeleteExpired(ctx, now, limit); return err })
	return n, err
}

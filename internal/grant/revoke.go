package grant

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	lookAgain  = 10 * time.Minute // how often it is looked whether a session has ended, which another process may have ended
	lookEvery  = 10 * time.Second // how often it is looked which grants are due
	firstRetry = 10 * time.Second
	lastRetry  = time.Hour
	giveUp     = 24 * time.Hour // how long a provider is told to revoke
	page       = 100            // grants that are read at a time
	atOnce     = 8              // grants that are looked at, and revoked, at the same time
)

// Ended notes that sessions have ended in this process, so that Run looks at their tokens at once, or Flush has others do so. It doesn't
// block.
func (s *Service) Ended(e session.EndEvent) {
	if e.ID != "" {
		s.ready.drop(e.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running && !slices.ContainsFunc(s.Providers, func(p *oidc.Provider) bool { return p.KeepTokens }) {
		return // what earlier settings have left is found when it is due
	}
	s.noteEnded(e.User)
	s.wakeUp()
}

// noteEnded notes a user whose sessions have ended. The caller holds mu.
func (s *Service) noteEnded(user string) {
	if s.ended == nil {
		s.ended = map[string]bool{}
	}
	if len(s.ended) < maxEnded { // the others are found when they are due
		s.ended[user] = true
	}
}

// takeEnded returns the users that were noted, and forgets them.
func (s *Service) takeEnded() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	users := s.ended
	s.ended = nil
	return users
}

// Flush has other processes look at the tokens of sessions that have ended in this one, and that Run hasn't looked at: those that a command
// has ended, or a server just before it stopped. They look within seconds. Call it when Run has ended, or was never called.
func (s *Service) Flush(ctx context.Context) error {
	return eachUser(s.takeEnded(), func(user string) error {
		return s.eachOf(ctx, user, func(list []*federation.Grant) error {
			for _, g := range list {
				if err := s.hasten(ctx, g); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// hasten makes a grant due now.
func (s *Service) hasten(ctx context.Context, g *federation.Grant) error {
	for now := time.Now().Unix(); ; {
		if g.Pending || g.Due <= now || g.Ended != 0 {
			return nil
		}
		n := next(g)
		n.Due = now
		err := s.swap(ctx, g, n)
		if !errors.Is(err, federation.ErrGrantChanged) {
			return err
		}
		if g, err = s.get(ctx, g.Session); err != nil {
			if errors.Is(err, federation.ErrNoGrant) {
				err = nil
			}
			return err
		}
	}
}

const maxEnded = 10_000

// wakeUp makes Run look at once. The caller holds mu.
func (s *Service) wakeUp() {
	select {
	case s.signal() <- struct{}{}:
	default:
	}
}

// signal returns the channel that wakes Run. The caller holds mu.
func (s *Service) signal() chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	return s.wake
}

// End makes the tokens of a session useless, and has them revoked. It is no error if there are none.
func (s *Service) End(ctx context.Context, session string) error {
	defer s.ready.drop(session)
	for {
		g, err := s.get(ctx, session)
		if errors.Is(err, federation.ErrNoGrant) || err == nil && g.Ended != 0 {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now().Unix()
		n := next(g)
		n.Ended, n.Due = now, now
		if err := s.swap(ctx, g, n); !errors.Is(err, federation.ErrGrantChanged) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.wakeUp()
			return err
		}
	}
}

// Drop has tokens revoked that nothing here will use, such as those of a visit that has begun no session. It stores nothing, since they may
// be a stranger's: what isn't revoked within a few minutes, or when the process ends, lasts as long as the provider lets it. It doesn't block.
func (s *Service) Drop(p *oidc.Provider, t *oidc.Tokens) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dropped) < maxDropped {
		s.dropped = append(s.dropped, dropped{p, newTokens(p.Name, t), time.Now().Add(dropFor)})
	}
	s.wakeUp()
}

// dropped are tokens to be revoked that aren't stored.
type dropped struct {
	provider *oidc.Provider
	tokens   *tokens
	until    time.Time
}

const (
	maxDropped = 200
	dropFor    = 5 * time.Minute
)

// revokeDropped revokes what was dropped, and keeps for the next time what a provider hasn't heard of.
func (s *Service) revokeDropped(ctx context.Context) {
	s.mu.Lock()
	list := s.dropped
	s.dropped = nil
	s.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, d := range list {
		group.Go(func() error {
			err := s.tell(ctx, d.provider, d.tokens)
			switch {
			case err == nil || ctx.Err() != nil:
			case time.Now().After(d.until):
				s.Log.LogAttrs(ctx, slog.LevelWarn, "tokens without a session not revoked", slog.String("provider", d.provider.Name), slog.Any("error", err))
			default:
				s.mu.Lock()
				defer s.mu.Unlock()
				s.dropped = append(s.dropped, d)
			}
			return nil
		})
	}
	_ = group.Wait() // there are no errors
}

// Run has tokens revoked whose session has ended, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	s.mu.Lock()
	wake := s.signal()
	s.running = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running = false
		s.mu.Unlock()
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-tick.C:
		}
	}
}

// look revokes what was dropped, and looks at the grants of the users whose sessions have ended here, and at those that are due. A user
// whose grants can't be looked at holds up no other, and is looked at again with the next tick.
func (s *Service) look(ctx context.Context) {
	s.revokeDropped(ctx)
	users := s.takeEnded()
	err := eachUser(users, func(user string) error {
		return s.eachOf(ctx, user, func(list []*federation.Grant) error { return s.lookAt(ctx, list) })
	})
	if err != nil {
		s.putBack(users)
		s.lookFailed(ctx, err)
	}
	for {
		due, err := s.due(ctx)
		if err == nil {
			err = s.lookAt(ctx, due)
		}
		if err != nil {
			s.lookFailed(ctx, err)
			return
		}
		if len(due) < page || ctx.Err() != nil {
			return
		}
	}
}

// eachUser calls do with each user, takes out those for which it succeeds, and returns the last error. If it fails for one user, it goes on
// with the others; but after some failures in a row it is the store that fails, and the others are left.
func eachUser(users map[string]bool, do func(user string) error) (last error) {
	inRow := 0
	for user := range users {
		if err := do(user); err != nil {
			last = err
			if inRow++; inRow == mostInRow {
				return last
			}
			continue
		}
		inRow = 0
		delete(users, user)
	}
	return last
}

const mostInRow = 5

func (s *Service) lookFailed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "tokens of ended sessions not revoked yet", slog.Any("error", err))
	}
}

func (s *Service) due(ctx context.Context) ([]*federation.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.Store.Due(ctx, time.Now().Unix(), page)
}

// putBack notes users again.
func (s *Service) putBack(users map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for user := range users {
		s.noteEnded(user)
	}
}

// eachOf calls do with the grants of a user, some at a time, until it returns an error.
func (s *Service) eachOf(ctx context.Context, user string, do func([]*federation.Grant) error) error {
	for after := ""; ; {
		list, err := s.list(ctx, user, after)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].Session
		if err := do(list); err != nil {
			return err
		}
	}
}

func (s *Service) list(ctx context.Context, user, after string) ([]*federation.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.Store.List(ctx, user, after, page)
}

// lookAt looks at some grants, and returns the first error of a store.
func (s *Service) lookAt(ctx context.Context, list []*federation.Grant) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, g := range list {
		group.Go(func() error {
			err := s.lookAtOne(ctx, g)
			if errors.Is(err, federation.ErrGrantChanged) { // another process is at it
				err = nil
			}
			return err
		})
	}
	return group.Wait()
}

// lookAtOne has the tokens of a grant revoked if their session has ended.
func (s *Service) lookAtOne(ctx context.Context, g *federation.Grant) error {
	now := time.Now()
	if g.Lease > now.Unix() || g.Ended != 0 && g.Due > now.Unix() {
		return s.later(ctx, g, max(g.Lease, g.Due))
	}
	n := next(g)
	if g.Ended == 0 {
		ended, err := s.hasEnded(ctx, g, now)
		if err != nil {
			return err
		}
		if !ended {
			return s.later(ctx, g, now.Add(lookAgain).Unix())
		}
		n.Ended = now.Unix()
	}
	n.Lease = now.Add(leaseTime).Unix()
	n.Due = n.Lease
	if err := s.swap(ctx, g, n); err != nil {
		return err
	}
	return s.revoke(ctx, n)
}

// hasEnded reports whether the session or the pending sign-in of a grant has ended.
func (s *Service) hasEnded(ctx context.Context, g *federation.Grant, now time.Time) (bool, error) {
	if g.Pending {
		return g.Due <= now.Unix(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := s.Sessions.Find(ctx, g.Session)
	if errors.Is(err, session.ErrEnded) {
		return true, nil
	}
	return false, err
}

// later sets when a grant is looked at again, if it is due.
func (s *Service) later(ctx context.Context, g *federation.Grant, due int64) error {
	if g.Due > time.Now().Unix() {
		return nil
	}
	n := next(g)
	n.Due = due
	return s.swap(ctx, g, n)
}

func (s *Service) get(ctx context.Context, session string) (*federation.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.Store.Get(ctx, session)
}

func (s *Service) swap(ctx context.Context, old, new *federation.Grant) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.Store.Swap(ctx, old, new)
}

func (s *Service) delete(ctx context.Context, g *federation.Grant) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.Store.Delete(ctx, g)
}

// revoke tells the provider that the tokens of a grant, whose lease this process has, aren't used any more, and deletes them.
func (s *Service) revoke(ctx context.Context, g *federation.Grant) error {
	t, err := s.open(ctx, g)
	if isSealedElsewhere(err) {
		return s.forget(ctx, g, "they can't be opened")
	}
	if err != nil {
		return err
	}
	p := s.provider(g, t)
	if p == nil {
		return s.forget(ctx, g, "their provider isn't configured any more")
	}
	err = s.tell(ctx, p, t)
	if err == nil {
		return s.delete(ctx, g)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	since := time.Since(time.Unix(g.Ended, 0))
	if since > giveUp {
		return s.forget(ctx, g, err.Error())
	}
	s.Log.LogAttrs(ctx, slog.LevelWarn, "tokens of an ended session not revoked yet", slog.String("provider", p.Name), slog.Any("error", err))
	n := next(g)
	n.Lease, n.Due = 0, time.Now().Add(min(max(since, firstRetry), lastRetry)).Unix()
	return s.swap(ctx, g, n)
}

func (s *Service) tell(ctx context.Context, p *oidc.Provider, t *tokens) error {
	if s.failedLately(asked{p.Name, revocation}) {
		return oidc.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	err := p.Revoke(ctx, &oidc.Tokens{Access: t.Access, Refresh: t.Refresh})
	if err != nil {
		s.fail(asked{p.Name, revocation})
	}
	return err
}

// forget deletes tokens that can't be revoked.
func (s *Service) forget(ctx context.Context, g *federation.Grant, why string) error {
	s.Log.LogAttrs(ctx, slog.LevelWarn, "tokens of an ended session deleted without being revoked", slog.String("user", g.User),
		slog.String("issuer", g.Issuer), slog.String("reason", why))
	return s.delete(ctx, g)
}

// Column is what is sealed under the data key.
func Column(store federation.GrantStore) keyring.Column { return column{store} }

type column struct{ store federation.GrantStore }

func (c column) Purpose() string { return purpose }

func (c column) Values(ctx context.Context, after string, limit int) ([]keyring.Value, error) {
	list, err := c.store.List(ctx, "", after, limit)
	if err != nil {
		return nil, err
	}
	var values []keyring.Value
	for _, g := range list {
		values = append(values, keyring.Value{ID: g.Session, Box: g.Box})
	}
	return values, nil
}

func (c column) Replace(ctx context.Context, id string, old, new []byte) (bool, error) {
	g, err := c.store.Get(ctx, id)
	if errors.Is(err, federation.ErrNoGrant) || err == nil && string(g.Box) != string(old) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n := next(g)
	n.Box = new
	err = c.store.Swap(ctx, g, n)
	if errors.Is(err, federation.ErrGrantChanged) {
		return false, nil
	}
	return err == nil, err
}

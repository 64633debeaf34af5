// Package grant keeps the tokens of other providers at the server, one set for each session that was begun through one.
//
// Tokens are stored sealed under the data key, and bound to their session. They are used for requests of a session that has just been
// checked, and by no one else: what has ended a session has ended the use of its tokens. They are renewed by one process at a time,
// because most providers give each refresh token once. Once the session has ended, the provider is told to revoke them, again and
// again until it has.
package grant

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/session"
)

// ProviderEnded is the reason for which a session ends whose provider doesn't renew its tokens any more.
const ProviderEnded = "provider_ended"

// ErrNone says that a session has no tokens of the provider that could be used: it was begun in another way, or they have ended and
// can't be renewed.
var ErrNone = errors.New("the session has no tokens of this provider")

const (
	leaseTime = 10 * time.Second
	askTime   = leaseTime - 2*time.Second // for which a provider is waited for while this process has the lease
	callTime  = 5 * time.Second           // of a call of the store
	poll      = 50 * time.Millisecond
	// fetchTime bounds how long a request waits for tokens. It suffices for a lease that another process has left behind.
	fetchTime = 2*leaseTime + 5*time.Second

	afterFailure = time.Second // how long a provider that has failed isn't asked again
)

// Sessions are those that tokens belong to, such as a [session.Manager].
type Sessions interface {
	Find(ctx context.Context, id string) (*session.Session, error)
	Revoke(ctx context.Context, user, id string) error
}

// Service keeps and renews tokens. Set the fields before first use; it is then safe for concurrent use, also by several processes.
type Service struct {
	Store     federation.GrantStore
	Sessions  Sessions
	Keys      *keyring.DataKeys
	Providers []*oidc.Provider
	Audit     *audit.Log
	Log       *slog.Logger

	ready   ready
	mu      sync.Mutex
	flights map[key]*flight
	failed  map[asked]time.Time
	ended   map[string]bool // users of sessions that have ended here, to be looked at
	dropped []dropped
	running bool          // Run runs
	wake    chan struct{} // nil until it is needed
}

// asked is what a provider was asked for and has failed to do. Each of its endpoints may be away alone.
type asked struct{ provider, what string }

const (
	renewal    = "renewal"
	revocation = "revocation"
)

// key names a session as it is since its last change. After a rotation, nothing that was kept for the time before counts.
type key struct{ session, version string }

func keyOf(s *session.Session) key { return key{s.ID, s.Version()} }

// tokens are what is sealed.
type tokens struct {
	Provider string `json:"provider"`
	Access   string `json:"access"`
	Refresh  string `json:"refresh,omitempty"`
	Given    int64  `json:"given"`
	Expires  int64  `json:"expires,omitempty"`
}

func newTokens(provider string, t *oidc.Tokens) *tokens {
	return &tokens{Provider: provider, Access: t.Access, Refresh: t.Refresh, Given: time.Now().Unix(), Expires: t.Expires}
}

// ends returns when the access token counts as ended: half a minute early, so that a request which is sent just before arrives in time,
// or if it was given for less than two minutes, when a quarter of its time is left.
func (t *tokens) ends() time.Time {
	return time.Unix(t.Expires-min(30, max(t.Expires-t.Given, 0)/4), 0)
}

func (t *tokens) live(now time.Time) bool { return t.Expires == 0 || now.Before(t.ends()) }

// purpose is what tokens are sealed for.
const purpose = "link_grants.box"

func (s *Service) seal(ctx context.Context, session string, t *tokens) ([]byte, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return s.Keys.Seal(ctx, purpose, session, text)
}

func (s *Service) open(ctx context.Context, g *federation.Grant) (*tokens, error) {
	text, err := s.Keys.Open(ctx, purpose, g.Session, g.Box)
	if err != nil {
		return nil, fmt.Errorf("open the tokens of a session: %w", err)
	}
	var t tokens
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, errors.New("open the tokens of a session: they have another form") // without the text
	}
	return &t, nil
}

// isSealedElsewhere reports whether an error of open says that no key here opens the tokens: they are those of another session, or the
// server secret was lost.
func isSealedElsewhere(err error) bool {
	return errors.Is(err, keyring.ErrWrongSecret) || errors.Is(err, keyring.ErrUnknownDataKey)
}

// Keep stores the tokens of a sign-in for a session.
func (s *Service) Keep(ctx context.Context, session, user string, p *oidc.Provider, t *oidc.Tokens) error {
	return s.keep(ctx, &federation.Grant{Session: session, User: user, Due: time.Now().Add(lookAgain).Unix()}, p, t)
}

// KeepPending is Keep for a pending sign-in, which ends at the given time unless it is completed.
func (s *Service) KeepPending(ctx context.Context, pending, user string, ends int64, p *oidc.Provider, t *oidc.Tokens) error {
	return s.keep(ctx, &federation.Grant{Session: pending, Pending: true, User: user, Due: dueOf(ends)}, p, t)
}

func (s *Service) keep(ctx context.Context, g *federation.Grant, p *oidc.Provider, t *oidc.Tokens) (err error) {
	if g.Box, err = s.seal(ctx, g.Session, newTokens(p.Name, t)); err != nil {
		return err
	}
	g.Issuer, g.Version = p.Issuer, 1
	return s.Store.Put(ctx, g)
}

// Move gives a session the tokens of the pending sign-in that was completed with it. It is no error if there are none.
func (s *Service) Move(ctx context.Context, pending, session string) error {
	return s.move(ctx, pending, func(g *federation.Grant) {
		g.Session, g.Pending, g.Due = session, false, time.Now().Add(lookAgain).Unix()
	})
}

// MovePending is Move to another pending sign-in, as which the first one goes on.
func (s *Service) MovePending(ctx context.Context, pending, to string, ends int64) error {
	return s.move(ctx, pending, func(g *federation.Grant) { g.Session, g.Due = to, dueOf(ends) })
}

// dueOf returns when the tokens of a pending sign-in are looked at: a little after its end, so that one which is completed at the last
// moment has moved them.
func dueOf(ends int64) int64 { return ends + int64(time.Minute/time.Second) }

func (s *Service) move(ctx context.Context, pending string, change func(g *federation.Grant)) error {
	for {
		g, err := s.Store.Get(ctx, pending)
		if errors.Is(err, federation.ErrNoGrant) || err == nil && g.Ended != 0 {
			return nil
		}
		if err != nil {
			return err
		}
		t, err := s.open(ctx, g)
		if isSealedElsewhere(err) {
			return nil
		}
		if err != nil {
			return err
		}
		moved := next(g)
		change(moved)
		if moved.Box, err = s.seal(ctx, moved.Session, t); err != nil {
			return err
		}
		if err := s.Store.Swap(ctx, g, moved); !errors.Is(err, federation.ErrGrantChanged) {
			return err
		}
	}
}

// next returns a copy of a grant with the next version.
func next(g *federation.Grant) *federation.Grant {
	n := *g
	n.Version++
	return &n
}

// provider returns the provider that tokens came from; nil if it isn't configured any more.
func (s *Service) provider(g *federation.Grant, t *tokens) *oidc.Provider {
	i := slices.IndexFunc(s.Providers, func(p *oidc.Provider) bool { return p.Name == t.Provider && p.Issuer == g.Issuer })
	if i < 0 {
		return nil
	}
	return s.Providers[i]
}

// Ready returns the value of the header Authorization for a session, if this process has it in memory; else nil. It must not be changed.
// The session must have been checked for this request.
func (s *Service) Ready(of *session.Session, provider string) []string {
	if h := s.ready.get(keyOf(of)); h != nil && h.provider == provider {
		return h.header
	}
	return nil
}

// Header is Ready, and reads or renews the tokens if need be, for which it may take [leaseTime] and more. Afterwards the session must be
// checked again. ErrNone, [oidc.ErrUnavailable], [session.ErrEnded]; any other error is an outage.
func (s *Service) Header(ctx context.Context, of *session.Session, provider string) ([]string, error) {
	k := keyOf(of)
	if h := s.ready.get(k); h != nil {
		return h.of(provider)
	}
	f := s.join(ctx, k)
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.held.of(provider)
}

// flight is one reading of tokens, for all requests of this process that wait for them.
type flight struct {
	done chan struct{}
	held *held
	err  error
}

func (s *Service) join(ctx context.Context, k key) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[k]; f != nil {
		return f
	}
	if s.flights == nil {
		s.flights = map[key]*flight{}
	}
	f := &flight{done: make(chan struct{})}
	s.flights[k] = f
	// Refresh tokens count once, so a renewal that has begun is finished although its request is gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	go func() {
		defer cancel()
		if f.held, f.err = s.fetch(ctx, k.session); f.err == nil {
			s.ready.put(k, f.held)
		}
		s.mu.Lock()
		delete(s.flights, k)
		s.mu.Unlock()
		close(f.done)
	}()
	return f
}

// fetch reads the tokens of a session, and renews them if their time is over. Those that can't be opened are remembered as well, so that
// they cost each session a read and a line of the log now and then, and not with each request.
func (s *Service) fetch(ctx context.Context, session string) (*held, error) {
	for {
		g, err := s.get(ctx, session)
		if errors.Is(err, federation.ErrNoGrant) || err == nil && (g.Pending || g.Ended != 0) {
			return nil, ErrNone
		}
		if err != nil {
			return nil, err
		}
		t, err := s.open(ctx, g)
		if isSealedElsewhere(err) {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "the tokens of a session can't be opened", slog.String("user", g.User), slog.Any("error", err))
			return unopened(), nil
		}
		if err != nil {
			return nil, err
		}
		p := s.provider(g, t)
		now := time.Now()
		switch {
		case p == nil:
			return nil, ErrNone
		case t.live(now):
			return holding(t), nil
		case t.Refresh == "":
			return nil, ErrNone
		case s.failedLately(asked{p.Name, renewal}):
			return t.orElse(fmt.Errorf("%w: it has failed a moment ago", oidc.ErrUnavailable))
		case g.Lease > now.Unix(): // another process renews them
			select {
			case <-time.After(poll):
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		leased := next(g)
		leased.Lease = now.Add(leaseTime).Unix()
		switch err := s.swap(ctx, g, leased); {
		case errors.Is(err, federation.ErrGrantChanged):
			continue
		case err != nil:
			return nil, err
		}
		renewed, again, err := s.renew(ctx, leased, p, t)
		if !again {
			return renewed, err
		}
	}
}

// renew renews the tokens of a grant whose lease this process has. again: the grant has changed meanwhile, so its tokens must be read anew.
func (s *Service) renew(ctx context.Context, leased *federation.Grant, p *oidc.Provider, t *tokens) (_ *held, again bool, err error) {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	given, err := p.Refresh(asking, t.Refresh)
	switch {
	case errors.Is(err, oidc.ErrEnded):
		return s.refused(ctx, leased, p, err)
	case err != nil:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "provider unavailable", slog.String("provider", p.Name), slog.Any("error", err))
		s.fail(asked{p.Name, renewal})
		free := next(leased)
		free.Lease = 0
		if failed := s.swap(ctx, leased, free); failed != nil && !errors.Is(failed, federation.ErrGrantChanged) {
			return nil, false, failed
		}
		h, err := t.orElse(err)
		return h, false, err
	}
	renewed := newTokens(p.Name, given)
	renewed.Refresh = cmp.Or(renewed.Refresh, t.Refresh)
	if again, err := s.save(ctx, leased, renewed); again || err != nil {
		return nil, again, err
	}
	return holding(renewed), false, nil
}

// save stores renewed tokens, also if something else about the grant has changed meanwhile. The former ones may be useless by now, so a
// store that fails is tried again as long as this process has the lease. again: the lease was lost, or the session has ended.
func (s *Service) save(ctx context.Context, leased *federation.Grant, t *tokens) (again bool, err error) {
	for {
		again, err = s.saveOnce(ctx, leased, t)
		if err == nil || time.Now().Add(saveAgain).Unix() >= leased.Lease {
			return again, err
		}
		select {
		case <-time.After(saveAgain):
		case <-ctx.Done():
			return false, err
		}
	}
}

const saveAgain = 200 * time.Millisecond

func (s *Service) saveOnce(ctx context.Context, leased *federation.Grant, t *tokens) (again bool, err error) {
	box, err := s.seal(ctx, leased.Session, t)
	if err != nil {
		return false, err
	}
	for now := leased; ; {
		n := next(now)
		n.Box, n.Lease = box, 0
		if err := s.swap(ctx, now, n); !errors.Is(err, federation.ErrGrantChanged) {
			return n.Ended != 0, err
		}
		now, err = s.get(ctx, leased.Session)
		if errors.Is(err, federation.ErrNoGrant) || err == nil && now.Lease != leased.Lease {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// refused ends the session of tokens that the provider doesn't renew, unless they have changed meanwhile.
func (s *Service) refused(ctx context.Context, leased *federation.Grant, p *oidc.Provider, why error) (_ *held, again bool, err error) {
	now, err := s.get(ctx, leased.Session)
	if errors.Is(err, federation.ErrNoGrant) || err == nil && now.Version != leased.Version {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	s.Audit.Record(ctx, audit.ProviderKinds.Fail, slog.String("provider", p.Name), slog.String("user", leased.User), slog.String("reason", why.Error()))
	err = s.Sessions.Revoke(session.WithReason(ctx, ProviderEnded), leased.User, leased.Session)
	if err != nil && !errors.Is(err, session.ErrEnded) {
		return nil, false, err
	}
	if err := s.End(ctx, leased.Session); err != nil {
		return nil, false, err
	}
	return nil, false, session.ErrEnded
}

func (s *Service) fail(a asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = map[asked]time.Time{}
	}
	s.failed[a] = time.Now()
}

func (s *Service) failedLately(a asked) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.failed[a]
	return ok && time.Since(at) < afterFailure
}

// Package secondstep decides which steps a sign-in still needs after the first, and keeps sign-ins that wait for one.
package secondstep

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/signin"
)

const (
	// Lifetime is how long a pending sign-in waits.
	Lifetime = 10 * time.Minute

	// AppPrefix is what the secret of a program that is no browser begins with. No session's ticket begins with it.
	AppPrefix = "cloak_step_"

	maxTries   = 5 // wrong second factors
	maxPending = 5 // of one user at the same time
)

// ErrEnded says that a pending sign-in doesn't exist, or doesn't count any more.
var ErrEnded = errors.New("the pending sign-in has ended")

// Way is a way to take the second step.
type Way string

const (
	Passkey      Way = "passkey"
	SecurityKey  Way = "security_key"
	TOTP         Way = "totp"
	RecoveryCode Way = "recovery_code"
)

// Requirement says which users must take a second step at each sign-in by password.
type Requirement int

const (
	Optional Requirement = iota // of users who have a factor that demands one
	Staff                       // of staff and superusers as well
	Required                    // of every user
)

// Service keeps pending sign-ins. Factors and Signins are both nil or neither; if they are nil, one step is always enough. Set
// the fields before first use; the Service is then safe for concurrent use. Errors without a name are those of the stores.
type Service struct {
	Factors  factor.Store
	Signins  signin.Store
	Accounts account.Store
	Links    federation.Store // nil: no one signs in through other providers
	Log      *slog.Logger

	// Requirement says who must have a second factor. Zero: no user.
	Requirement Requirement

	// LookAgain says that a change of factors can't move the account's epoch, as beside Django, so that a sign-in must call
	// [Service.Unchanged] once it has its session.
	LookAgain bool
}

// Demand says what a sign-in asks of a user after the password.
type Demand struct {
	Ways []Way // in which the user can take the second step; none: the password is enough, unless Enrol

	// Enrol says that the installation requires a second step of a user who has nothing to take it with. A sign-in must not end
	// with a session before the user has something.
	Enrol bool

	// Unsettled says that a change of the user's factors was interrupted, or is under way.
	Unsettled bool

	factors  string // what the user had when the demand was read
	removing bool   // some of it was being removed
}

// Needs returns what a sign-in asks of a user after the password. The caller must have read the account before: what is added
// or removed meanwhile moves the account's epoch, so that the session which comes of an overlapping sign-in is dead.
func (s *Service) Needs(ctx context.Context, user string) (Demand, error) {
	if s.Factors == nil {
		return Demand{}, nil
	}
	p, err := s.Factors.Load(ctx, user)
	if err != nil {
		return Demand{}, err
	}
	required, err := s.requiredOf(ctx, user)
	if err != nil {
		return Demand{}, err
	}
	return demandOf(p, required), nil
}

func demandOf(p *factor.Profile, required bool) Demand {
	unsettled := slices.ContainsFunc(p.Factors, func(f *factor.Factor) bool { return f.State != factor.Active })
	ways := needs(p, required)
	return Demand{Ways: ways, Enrol: required && len(ways) == 0, Unsettled: unsettled, factors: fingerprint(p), removing: slices.ContainsFunc(p.Factors, removing)}
}

// requiredOf is Requires for a user who isn't read yet.
func (s *Service) requiredOf(ctx context.Context, user string) (bool, error) {
	if s.Requirement == Optional {
		return false, nil
	}
	u, err := s.Accounts.Load(ctx, user)
	if errors.Is(err, account.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.Requires(u), nil
}

// Has returns what a sign-in asks of a user, and every way in which the user could show something besides the password, whether
// it is asked for or not.
func (s *Service) Has(ctx context.Context, user string) (Demand, []Way, error) {
	if s.Factors == nil {
		return Demand{}, nil, nil
	}
	p, err := s.Factors.Load(ctx, user)
	if err != nil {
		return Demand{}, nil, err
	}
	required, err := s.requiredOf(ctx, user)
	if err != nil {
		return Demand{}, nil, err
	}
	return demandOf(p, required), needs(p, true), nil
}

// Demands reports whether a sign-in asks a user for a second step, which the user can take.
func (s *Service) Demands(ctx context.Context, user string) (bool, error) {
	d, err := s.Needs(ctx, user)
	return len(d.Ways) > 0, err
}

// Unchanged returns [ErrEnded] if the factors of the user have changed since d was read and the epoch doesn't say so. The caller
// must then end the session that it has begun.
func (s *Service) Unchanged(ctx context.Context, user string, d Demand) error {
	if !s.LookAgain {
		return nil
	}
	now, err := s.Needs(ctx, user)
	if err == nil && (now.removing || now.factors != d.factors) {
		err = ErrEnded
	}
	return err
}

// fingerprint names the factors of a user, those that are being removed as well, and the wish for a second step. A removal ends what
// began before it is done.
func fingerprint(p *factor.Profile) string {
	text := fmt.Sprint(p.SecondStep)
	for _, f := range p.Factors {
		if text += " " + f.ID; removing(f) {
			text += "!"
		}
	}
	return text
}

func removing(f *factor.Factor) bool { return f.State == factor.Removing }

// Requires reports whether the installation requires a second step of a user.
func (s *Service) Requires(u *account.User) bool {
	return s.Factors != nil && (s.Requirement == Required || s.Requirement == Staff && (u.IsStaff || u.IsSuperuser))
}

// DemandedBy reports whether a password is not enough for a user who has this.
func (s *Service) DemandedBy(u *account.User, p *factor.Profile) bool {
	return len(needs(p, s.Requires(u))) > 0
}

// needs applies the rules. An authenticator app and a security key demand a second step from the moment at which their addition
// begins, and are accepted from then on. A passkey is added for comfort, and demands one only if the user has asked for it, or the
// installation requires it.
func needs(p *factor.Profile, required bool) []Way {
	demanded := false
	var ways []Way
	for _, f := range p.Factors {
		if f.State == factor.Removing {
			continue
		}
		demanded = demanded || f.Kind != factor.Passkey || p.SecondStep || required
		if way := wayOf(f.Kind); !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	if !demanded {
		return nil
	}
	slices.Sort(ways)
	if p.RecoveryCodes > 0 {
		ways = append(ways, RecoveryCode)
	}
	return ways
}

func wayOf(kind factor.Kind) Way {
	switch kind {
	case factor.TOTP:
		return TOTP
	case factor.Passkey:
		return Passkey
	}
	return SecurityKey
}

// Begin keeps a sign-in that waits for another step, and returns the secret for its client. It sets the ID, Created and
// Expires. The oldest of a user's five pending sign-ins makes room. One whose user isn't known yet makes none.
func (s *Service) Begin(ctx context.Context, p *signin.Pending) (secret string, err error) {
	secret = NewSecret(p.App)
	p.ID = idOf(secret)
	if p.User == "" {
		p.User = "unknown " + hex.EncodeToString(p.ID[:]) // no user has such an ID
	}
	p.Created = time.Now().Unix()
	p.Expires = p.Created + int64(Lifetime/time.Second)
	return secret, s.Signins.Create(ctx, p, maxPending)
}

// NewSecret returns a secret as [Service.Begin] makes it, of no pending sign-in.
func NewSecret(app bool) string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	secret := base64.RawURLEncoding.EncodeToString(random)
	if app {
		secret = AppPrefix + secret
	}
	return secret
}

func idOf(secret string) signin.ID { return sha256.Sum256([]byte(secret)) }

// Find returns the pending sign-in with this secret, and what it asks for. [ErrEnded] if it has expired, has had
// too many wrong tries, or if its account has another epoch now, is disabled or was deleted.
func (s *Service) Find(ctx context.Context, secret string) (*signin.Pending, Demand, error) {
	if s.Signins == nil {
		return nil, Demand{}, ErrEnded
	}
	p, err := s.Signins.Load(ctx, idOf(secret))
	if errors.Is(err, signin.ErrNotFound) {
		return nil, Demand{}, ErrEnded
	}
	if err != nil {
		return nil, Demand{}, err
	}
	if p.Expires <= time.Now().Unix() || p.Tries >= maxTries {
		return nil, Demand{}, ErrEnded
	}
	if p.Kind == signin.Code { // its code will say whose it is
		return p, Demand{}, nil
	}
	if _, err := s.user(ctx, p); err != nil {
		return nil, Demand{}, err
	}
	d, err := s.Needs(ctx, p.User)
	return p, d, err
}

// user returns the account of a pending sign-in. [ErrEnded] if it has another epoch now, is disabled or was deleted.
func (s *Service) user(ctx context.Context, p *signin.Pending) (*account.User, error) {
	u, err := s.Accounts.Load(ctx, p.User)
	if errors.Is(err, account.ErrNotFound) {
		return nil, ErrEnded
	}
	if err != nil {
		return nil, err
	}
	if !u.IsActive || u.Epoch != p.Epoch {
		return nil, ErrEnded
	}
	return u, nil
}

// Fail counts a wrong second factor against a pending sign-in, and returns how many tries are left. [ErrEnded].
func (s *Service) Fail(ctx context.Context, p *signin.Pending) (left int, err error) {
	tries, err := s.Signins.Fail(ctx, p.ID)
	if errors.Is(err, signin.ErrNotFound) {
		return 0, ErrEnded
	}
	return max(0, maxTries-tries), err
}

// Try takes one of the tries of a pending sign-in before something short is checked, so that tries at the same time are not more than
// there are, and returns how many are left. [ErrEnded] if none was left.
func (s *Service) Try(ctx context.Context, p *signin.Pending) (left int, err error) {
	tries, err := s.Signins.Fail(ctx, p.ID)
	if errors.Is(err, signin.ErrNotFound) || err == nil && tries > maxTries {
		return 0, ErrEnded
	}
	return maxTries - tries, err
}

// Spend ends a pending sign-in whose step was taken, and returns its account. Of several calls at the same time one succeeds:
// [ErrEnded] for the others, and if the account has another epoch now, is disabled or was deleted. A crash after Spend costs
// the user another sign-in, and never gives two sessions.
func (s *Service) Spend(ctx context.Context, p *signin.Pending) (*account.User, error) {
	err := s.Signins.Spend(ctx, p.ID)
	if errors.Is(err, signin.ErrNotFound) {
		return nil, ErrEnded
	}
	if err != nil {
		return nil, err
	}
	return s.user(ctx, p)
}

// Finish ends a pending sign-in without asking for its account: one whose user has enrolled a factor in it, which has moved the epoch,
// or one that goes on as another. Of several calls at the same time one succeeds: [ErrEnded] for the others.
func (s *Service) Finish(ctx context.Context, p *signin.Pending) error {
	err := s.Signins.Spend(ctx, p.ID)
	if errors.Is(err, signin.ErrNotFound) {
		return ErrEnded
	}
	return err
}

// Cancel ends the pending sign-in with this secret. It is no error if there is none.
func (s *Service) Cancel(ctx context.Context, secret string) error {
	if s.Signins == nil {
		return nil
	}
	err := s.Signins.Spend(ctx, idOf(secret))
	if errors.Is(err, signin.ErrNotFound) {
		return nil
	}
	return err
}

// RemoveAll removes all factors, recovery codes and pending sign-ins of a user.
func (s *Service) RemoveAll(ctx context.Context, user string) error {
	if s.Factors == nil {
		return nil
	}
	if _, err := s.Factors.DeleteUser(ctx, user); err != nil {
		return err
	}
	return s.EndPending(ctx, user)
}

// RemoveSince removes the factors of a user that were added at a time or later, in Unix seconds, and returns how many they were; and all
// recovery codes, whose age isn't known, and all pending sign-ins. With the last factor the wish for a second step goes.
func (s *Service) RemoveSince(ctx context.Context, user string, since int64) (removed int, err error) {
	if s.Factors == nil {
		return 0, nil
	}
	p, err := s.Factors.Load(ctx, user)
	if err != nil {
		return 0, err
	}
	for _, f := range p.Factors {
		if f.Created < since {
			continue
		}
		if err := s.Factors.Delete(ctx, f.ID); err != nil {
			return removed, err
		}
		removed++
	}
	if err := s.Factors.SetRecoveryCodes(ctx, user, nil); err != nil {
		return removed, err
	}
	if removed == len(p.Factors) {
		if err := s.Factors.SetSecondStep(ctx, user, false); err != nil {
			return removed, err
		}
	}
	return removed, s.EndPending(ctx, user)
}

// EndPending ends all pending sign-ins of a user.
func (s *Service) EndPending(ctx context.Context, user string) error {
	if s.Signins == nil {
		return nil
	}
	_, err := s.Signins.DeleteUser(ctx, user)
	return err
}

// Run deletes expired pending sign-ins until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if s.Signins == nil {
		<-ctx.Done()
		return nil
	}
	resilience.Background{
		Flush: func(context.Context) {},
		Purge: func(ctx context.Context, limit int) (int, error) {
			n, err := s.Signins.DeleteExpired(ctx, time.Now().Unix(), limit)
			if err != nil || s.Links == nil {
				return n, err
			}
			more, err := s.Links.DeleteExpired(ctx, time.Now().Unix(), limit-n)
			return n + more, err
		},
		Failed: func(ctx context.Context, err error) {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "purge of pending sign-ins failed", slog.Any("error", err))
		},
	}.Run(ctx)
	return nil
}

// Package authenticator adds, removes and checks what users prove themselves by besides a password (NIST SP 800-63B calls these
// authenticators): passkeys, security keys, authenticator apps and recovery codes.
//
// # What a change ends
//
// A factor that makes sign-ins demand a second step, and the removal of any factor, end everything that was signed in before.
// Both write the factor first and end second. A sign-in reads the account first and the factors second, so one that overlaps has
// what the change ends (docs/adr/0029-a-pending-sign-in-is-no-session.md). A change that was interrupted stays in the factor's
// [factor.State], and [Service.Settle] finishes it.
package authenticator

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// Errors that a [Service] returns by these names. Any other error, except one that the caller's [End] has returned, is a
// store's and means that the result is unknown.
var (
	ErrExists   = errors.New("the user has an authenticator app already")
	ErrNotFound = errors.New("the user has no such factor")
	ErrLast     = errors.New("the user's last factor can't be removed, because a second step is required")
	ErrNone     = errors.New("the user has no factor that recovery codes could stand in for")

	ErrLastWayIn = errors.New("the user's last passkey can't be removed, because nothing else signs in to the account")
)

// End ends every session, token and pending sign-in of a user from before a change of factors, except the session of the request
// in which the change is made. It returns the user as the user is afterwards; a new epoch is how it ends things where the epoch
// can be moved from that of u. It returns an error, and ends nothing, if the request may not make the change any more.
type End func(ctx context.Context, u *account.User) (*account.User, error)

// Service changes and checks what users have. Set the fields before first use; the Service is then safe for concurrent use.
type Service struct {
	Factors factor.Store
	Steps   *secondstep.Service
	Keys    *keyring.DataKeys
	Guard   *throttle.Guard
	Issuer  string          // what an authenticator app shows beside the user's name
	Tags    func() [][]byte // the keys of the tags of enrolments, the current one first
	Log     *slog.Logger

	// Patience is how long to wait for a change that another request has begun. A change that isn't over then was interrupted, and is
	// finished in its place, which ends the session of that request too. 0: don't wait.
	Patience time.Duration
}

// Change is what a change of a user's factors has done.
type Change struct {
	User          *account.User // as the user is afterwards
	Ended         bool          // End was called, so a session of the request needs the new epoch
	RecoveryCodes []string      // that the user got with the first factor; they can't be read again
}

// Add adds a factor, of which ID, State, Epoch and Created are set unless the ID is set already. It ends everything from before if
// sign-ins demand a second step from now on, and didn't. With the first factor of any kind the user gets recovery codes.
// [factor.ErrTooManyKeys]; [ErrExists] for a second authenticator app; [factor.ErrExists] if the credential is stored already.
func (s *Service) Add(ctx context.Context, u *account.User, f *factor.Factor, end End) (*Change, error) {
	c, p, err := s.settled(ctx, u, end)
	if err != nil {
		return nil, err
	}
	if err := fits(p, f); err != nil {
		return nil, err
	}
	if f.ID == "" {
		f.ID = NewID()
	}
	f.User, f.State, f.Epoch, f.Created = u.ID, factor.Adding, c.User.Epoch, time.Now().Unix()
	if err := s.Factors.Add(ctx, f); err != nil {
		return nil, err
	}
	if err := s.finishAdding(ctx, c, p, f, end); err != nil {
		s.undoAdding(ctx, f)
		return nil, err
	}
	switch err := s.Factors.SetState(ctx, f.ID, factor.Adding, factor.Active, c.User.Epoch); {
	case errors.Is(err, factor.ErrNotFound):
		return nil, account.ErrEpochChanged // it was removed together with everything else
	case err != nil:
		return nil, err
	}
	f.State, f.Epoch = factor.Active, c.User.Epoch
	return c, nil
}

// NewID returns the ID of a new factor.
func NewID() string { return rand.Text() }

func fits(p *factor.Profile, f *factor.Factor) error {
	keys := len(p.Keys())
	switch {
	case f.Kind == factor.TOTP && len(p.Factors) > keys:
		return ErrExists
	case f.Kind != factor.TOTP && keys >= factor.MaxKeys:
		return factor.ErrTooManyKeys
	}
	return nil
}

// finishAdding does what a factor that was just added brings with it. before is what the user had. What the user has now is read
// again, since another call may have added a factor or the wish for a second step at the same time.
func (s *Service) finishAdding(ctx context.Context, c *Change, before *factor.Profile, f *factor.Factor, end End) error {
	now, err := s.Factors.Load(ctx, f.User)
	if err != nil {
		return err
	}
	if slices.IndexFunc(now.Keys(), func(other *factor.Factor) bool { return other.ID == f.ID }) >= factor.MaxKeys {
		return factor.ErrTooManyKeys
	}
	if len(before.Factors) == 0 {
		codes, hashes := NewRecoveryCodes()
		if err := s.Factors.SetRecoveryCodes(ctx, f.User, hashes); err != nil {
			return err
		}
		c.RecoveryCodes = codes
	}
	if s.Steps.DemandedBy(c.User, before) || !s.Steps.DemandedBy(c.User, now) {
		return s.unchanged(ctx, c.User)
	}
	return c.end(ctx, end)
}

// unchanged returns [account.ErrEpochChanged] if everything of the user was ended meanwhile. What ends everything and removes the
// factors moves the epoch first. So either it is seen here, or the factor that was just written is removed with the others.
func (s *Service) unchanged(ctx context.Context, u *account.User) error {
	now, err := s.Steps.Accounts.Load(ctx, u.ID)
	if errors.Is(err, account.ErrNotFound) || err == nil && (now.Epoch != u.Epoch || !now.IsActive) {
		return account.ErrEpochChanged
	}
	return err
}

func (c *Change) end(ctx context.Context, end End) error {
	u, err := end(ctx, c.User)
	if err != nil {
		return err
	}
	c.User, c.Ended = u, true
	return nil
}

// undoAdding removes a factor whose addition has failed, unless [Service.Settle] has finished it. If the store fails here as well,
// the factor stays as it is until it is settled.
func (s *Service) undoAdding(ctx context.Context, f *factor.Factor) {
	ctx, cancel := undoing(ctx)
	defer cancel()
	if err := s.drop(ctx, f); err != nil && !errors.Is(err, factor.ErrNotFound) {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "factor that was not added is not removed yet", slog.String("user", f.User), slog.Any("error", err))
	}
}

// undoing returns the context in which a change that has failed is undone, or one that counts is tidied up, though the request may be over.
func undoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

// Remove removes a factor, and ends everything from before. With the last factor the recovery codes and the wish for a second step
// go. [ErrNotFound]; [ErrLast] and [ErrLastWayIn] unless forced. It returns the factor also beside an error of a store if everything has
// ended, so that the factor counts for nothing and only its row may be left.
func (s *Service) Remove(ctx context.Context, u *account.User, id string, forced bool, end End) (removed *factor.Factor, c *Change, err error) {
	c, p, err := s.settled(ctx, u, end)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(p.Factors, func(f *factor.Factor) bool { return f.ID == id })
	if i < 0 {
		return nil, nil, ErrNotFound
	}
	f := p.Factors[i]
	if !forced {
		if err := s.spares(ctx, c.User, p, f); err != nil {
			return nil, nil, err
		}
	}
	err = s.Factors.SetState(ctx, id, f.State, factor.Removing, c.User.Epoch)
	if errors.Is(err, factor.ErrNotFound) {
		return nil, nil, ErrNotFound // another call was quicker
	}
	if err != nil {
		return nil, nil, err
	}
	err = c.end(ctx, end)
	if err == nil && !forced { // another request may have taken away what was left without the factor
		err = s.sparesNow(ctx, c.User, f)
	}
	if err != nil {
		s.undoRemoving(ctx, f)
		return nil, nil, err
	}
	ctx, cancel := undoing(ctx) // the client may be gone
	defer cancel()
	return f, c, s.delete(ctx, f)
}

// spares returns an error if a user who has p needs a factor: [ErrLast], [ErrLastWayIn]. What isn't [factor.Active] stands in for nothing.
func (s *Service) spares(ctx context.Context, u *account.User, p *factor.Profile, f *factor.Factor) error {
	others := slices.DeleteFunc(slices.Clone(p.Factors), func(other *factor.Factor) bool {
		return other.ID == f.ID || other.State != factor.Active
	})
	switch {
	case len(others) == 0 && s.Steps.Requires(u):
		return ErrLast
	case f.Kind != factor.Passkey || u.HasPassword() || slices.ContainsFunc(others, isPasskey):
		return nil
	case s.Steps.Links == nil:
		return ErrLastWayIn
	}
	links, err := s.Steps.Links.List(ctx, u.ID)
	if err == nil && len(links) == 0 {
		err = ErrLastWayIn
	}
	return err
}

// sparesNow is spares with what the user has now.
func (s *Service) sparesNow(ctx context.Context, u *account.User, f *factor.Factor) error {
	p, err := s.Factors.Load(ctx, u.ID)
	if err != nil {
		return err
	}
	return s.spares(ctx, u, p, f)
}

func isPasskey(f *factor.Factor) bool { return f.Kind == factor.Passkey }

// HasPasskey reports whether a user has a passkey that counts: none that is being added or removed.
func (s *Service) HasPasskey(ctx context.Context, user string) (bool, error) {
	p, err := s.Factors.Load(ctx, user)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(p.Factors, func(f *factor.Factor) bool { return isPasskey(f) && f.State == factor.Active }), nil
}

// undoRemoving makes a factor count again whose removal was refused.
func (s *Service) undoRemoving(ctx context.Context, f *factor.Factor) {
	ctx, cancel := undoing(ctx)
	defer cancel()
	err := s.Factors.SetState(ctx, f.ID, factor.Removing, f.State, f.Epoch)
	if err != nil && !errors.Is(err, factor.ErrNotFound) {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "factor that was not removed doesn't count", slog.String("user", f.User), slog.Any("error", err))
	}
}

// delete deletes a factor that counts for nothing any more, and with the last one what came with the first.
func (s *Service) delete(ctx context.Context, f *factor.Factor) error {
	if err := s.Factors.Delete(ctx, f.ID); err != nil {
		return err
	}
	p, err := s.Factors.Load(ctx, f.User)
	if err != nil || len(p.Factors) > 0 {
		return err
	}
	if err := s.Factors.SetRecoveryCodes(ctx, f.User, nil); err != nil {
		return err
	}
	return s.Factors.SetSecondStep(ctx, f.User, false)
}

// Settle finishes changes that were interrupted, and returns the user as the user is afterwards. It costs one read if there are none.
func (s *Service) Settle(ctx context.Context, u *account.User, end End) (*account.User, error) {
	c, _, err := s.settled(ctx, u, end)
	if err != nil {
		return nil, err
	}
	return c.User, nil
}

// settled settles, and returns what the user then has.
func (s *Service) settled(ctx context.Context, u *account.User, end End) (*Change, *factor.Profile, error) {
	c := &Change{User: u}
	p, err := s.patient(ctx, u)
	if err != nil || !slices.ContainsFunc(p.Factors, func(f *factor.Factor) bool { return f.State != factor.Active }) {
		return c, p, err
	}
	for _, f := range p.Factors {
		if f.State == factor.Active {
			continue
		}
		if s.isHarmless(u, p, f) {
			if time.Since(time.Unix(f.Created, 0)) > additionTakes {
				err = s.drop(ctx, f)
			}
		} else {
			err = s.finish(ctx, c, u, f, end)
		}
		if err != nil && !errors.Is(err, factor.ErrNotFound) {
			return nil, nil, err
		}
	}
	p, err = s.Factors.Load(ctx, u.ID)
	return c, p, err
}

// patient returns what the user has once no change is under way, or after [Service.Patience]. [account.ErrEpochChanged] if what it
// waited for has ended what u was read for.
func (s *Service) patient(ctx context.Context, u *account.User) (*factor.Profile, error) {
	began := time.Now()
	for waited := false; ; waited = true {
		p, err := s.Factors.Load(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		underWay := slices.ContainsFunc(p.Factors, func(f *factor.Factor) bool {
			return f.State != factor.Active && !s.isHarmless(u, p, f)
		})
		if !underWay || time.Since(began) >= s.Patience {
			if waited {
				err = s.unchanged(ctx, u)
			}
			return p, err
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pollEvery is how often patient asks the store.
const pollEvery = 20 * time.Millisecond

// isHarmless reports whether a factor counts for nothing yet, and begins no demand: its addition is under way, or was interrupted.
func (s *Service) isHarmless(u *account.User, p *factor.Profile, f *factor.Factor) bool {
	return f.State == factor.Adding && f.Epoch == u.Epoch && !s.beginsDemand(u, p, f)
}

// additionTakes is more time than the addition of a factor can take.
const additionTakes = time.Minute

// beginsDemand reports whether a factor that is being added is what a second step is demanded for.
func (s *Service) beginsDemand(u *account.User, p *factor.Profile, f *factor.Factor) bool {
	active := *p
	active.Factors = slices.DeleteFunc(slices.Clone(p.Factors), func(f *factor.Factor) bool { return f.State != factor.Active })
	return !s.Steps.DemandedBy(u, &active) && s.Steps.DemandedBy(u, &factor.Profile{Factors: []*factor.Factor{f}, SecondStep: p.SecondStep})
}

// drop deletes a factor unless its addition is confirmed just now, which is [factor.ErrNotFound].
func (s *Service) drop(ctx context.Context, f *factor.Factor) error {
	if err := s.Factors.SetState(ctx, f.ID, factor.Adding, factor.Removing, f.Epoch); err != nil {
		return err
	}
	return s.delete(ctx, f)
}

// finish finishes the interrupted change of a factor. u is the user as before.
func (s *Service) finish(ctx context.Context, c *Change, u *account.User, f *factor.Factor, end End) error {
	if f.Epoch == u.Epoch && !c.Ended { // nothing has ended since
		if err := c.end(ctx, end); err != nil {
			return err
		}
	}
	if f.State == factor.Removing {
		return s.delete(ctx, f)
	}
	// A factor whose addition was interrupted after the epoch has moved is dropped: the user got no answer, and it can be an
	// attacker's, whose request came after everything was ended.
	if f.Epoch != u.Epoch {
		return s.drop(ctx, f)
	}
	return s.Factors.SetState(ctx, f.ID, factor.Adding, factor.Active, c.User.Epoch)
}

// SetSecondStep sets whether the user wants a second step after each password, and ends everything from before if that demands one
// that wasn't demanded before. It ends it again if the wish is repeated, since the first call may have been interrupted.
// [account.ErrEpochChanged] if everything was ended meanwhile.
func (s *Service) SetSecondStep(ctx context.Context, u *account.User, on bool, end End) (*Change, error) {
	c, before, err := s.settled(ctx, u, end)
	if err != nil {
		return nil, err
	}
	if err := s.wish(ctx, c, before, on, end); err != nil {
		ctx, cancel := undoing(ctx)
		defer cancel()
		if undo := s.Factors.SetSecondStep(ctx, u.ID, before.SecondStep); undo != nil {
			s.Log.LogAttrs(ctx, slog.LevelWarn, "the wish for a second step is not undone", slog.String("user", u.ID), slog.Any("error", undo))
		}
		return nil, err
	}
	return c, nil
}

// wish writes the wish first and ends what was before second. before is what the user had.
func (s *Service) wish(ctx context.Context, c *Change, before *factor.Profile, on bool, end End) error {
	if err := s.Factors.SetSecondStep(ctx, c.User.ID, on); err != nil {
		return err
	}
	if !on {
		return s.unchanged(ctx, c.User)
	}
	now, err := s.Factors.Load(ctx, c.User.ID) // another call may have added a factor
	if err != nil {
		return err
	}
	without := *before
	without.SecondStep = false
	if s.Steps.DemandedBy(c.User, &without) || !s.Steps.DemandedBy(c.User, now) {
		return nil
	}
	return c.end(ctx, end)
}

// Rename sets the name of a factor. [ErrNotFound].
func (s *Service) Rename(ctx context.Context, user, id, name string) (*factor.Factor, error) {
	p, err := s.Profile(ctx, user)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(p.Factors, func(f *factor.Factor) bool { return f.ID == id })
	if i < 0 {
		return nil, ErrNotFound
	}
	err = s.Factors.Rename(ctx, id, name)
	if errors.Is(err, factor.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	f := p.Factors[i]
	f.Name = name
	return f, nil
}

// Profile returns what a user has, without factors that are being removed.
func (s *Service) Profile(ctx context.Context, user string) (*factor.Profile, error) {
	p, err := s.Factors.Load(ctx, user)
	if err != nil {
		return nil, err
	}
	p.Factors = slices.DeleteFunc(p.Factors, func(f *factor.Factor) bool { return f.State == factor.Removing })
	return p, nil
}

// NewRecoveryCodes replaces the recovery codes of a user, and returns the new ones. They can't be read again. [ErrNone].
func (s *Service) NewRecoveryCodes(ctx context.Context, user string) ([]string, error) {
	p, err := s.Profile(ctx, user)
	if err != nil {
		return nil, err
	}
	if len(p.Factors) == 0 {
		return nil, ErrNone
	}
	codes, hashes := NewRecoveryCodes()
	if err := s.Factors.SetRecoveryCodes(ctx, user, hashes); err != nil {
		return nil, err
	}
	return codes, nil
}

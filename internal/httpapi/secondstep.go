package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/signin"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

type secondIn struct {
	Code       *string         `json:"code"`
	Credential json.RawMessage `json:"credential"`
}

// takeSecondStep completes a pending sign-in by a code of an authenticator app, by a recovery code, or by a passkey or security key.
func takeSecondStep(c *call, in secondIn) (userOut, error) {
	p, demand, err := c.pendingOf(signin.SecondStep)
	if err != nil {
		return userOut{}, err
	}
	if in.Credential == nil {
		if err := required(map[string]*string{"code": in.Code}); err != nil {
			return userOut{}, err
		}
	}
	u, err := c.api.Accounts.Store.Load(c.ctx(), p.User)
	if errors.Is(err, account.ErrNotFound) {
		err = errPendingEnded
	}
	if err != nil {
		return userOut{}, err
	}
	if in.Credential != nil {
		return c.takeStepByPasskey(p, demand, u, in.Credential)
	}
	v, err := c.verifyCode(audit.LoginKinds, u, *in.Code, p.Device)
	if errors.Is(err, authenticator.ErrWrongCode) {
		err = c.failStep(p)
	}
	if err != nil {
		return userOut{}, codeProblem(err)
	}
	return c.takeStep(p, demand, v.Method)
}

// pendingOf returns the pending sign-in of the request if it is of this kind.
func (c *call) pendingOf(kind signin.Kind) (*signin.Pending, secondstep.Demand, error) {
	p, demand, err := c.pending()
	if err == nil && p.Kind != kind {
		err = errPendingEnded
	}
	return p, demand, err
}

// enrolling returns the pending sign-in in which its user must set up a factor, and the user. It has ended if the user has a factor
// by now: between the steps of a sign-in, none is added to those that there are.
func (c *call) enrolling() (*signin.Pending, *account.User, error) {
	p, demand, err := c.pendingOf(signin.Enrolment)
	if err == nil && !demand.Enrol {
		err = errPendingEnded
	}
	if err != nil {
		return nil, nil, err
	}
	u, err := c.api.Accounts.Store.Load(c.ctx(), p.User)
	if errors.Is(err, account.ErrNotFound) || err == nil && u.Epoch != p.Epoch {
		err = errPendingEnded
	}
	return p, u, err
}

// pendingHolder names a pending sign-in as the holder of an enrolment or of a mailed code. No session has such an ID.
func pendingHolder(p *signin.Pending) string { return "pending " + hex.EncodeToString(p.ID[:]) }

// beginAppAtSignIn is beginApp in a pending sign-in.
func beginAppAtSignIn(c *call, _ none) (appOut, error) {
	p, u, err := c.enrolling()
	if err != nil {
		return appOut{}, err
	}
	return c.beginApp(u, pendingHolder(p))
}

// enrolledOut is a sign-in that was completed by setting up a factor.
type enrolledOut struct {
	addedOut
	User userOut `json:"user"`
}

// confirmAppAtSignIn adds an authenticator app in a pending sign-in, which completes it.
func confirmAppAtSignIn(c *call, in confirmAppIn) (enrolledOut, error) {
	p, u, err := c.enrolling()
	if err != nil {
		return enrolledOut{}, err
	}
	f, change, err := c.confirmApp(u, pendingHolder(p), in, c.endEnrolling(p))
	if err != nil {
		return enrolledOut{}, err
	}
	user, err := c.enrolled(p, change, signin.OneTimeCode)
	return enrolledOut{addedOut{newFactorOut(f), change.RecoveryCodes}, user}, err
}

// enrolled completes a pending sign-in whose user has set up a factor in it, at the epoch to which that has moved: everything from
// before has ended.
func (c *call) enrolled(p *signin.Pending, change *authenticator.Change, methods ...signin.Method) (userOut, error) {
	if !c.api.Steps.LookAgain || !change.Ended {
		if err := c.finishEnrolling(c.ctx(), p); err != nil {
			return userOut{}, err
		}
	}
	u := change.User
	demand, err := c.api.Steps.Needs(c.ctx(), u.ID)
	if err != nil {
		return userOut{}, err
	}
	c.removeAll(u.ID, endreason.AccountChanged)
	return c.sessionOf(p, u, demand, methods)
}

func (c *call) finishEnrolling(ctx context.Context, p *signin.Pending) error {
	err := c.api.Steps.Finish(ctx, p)
	if errors.Is(err, secondstep.ErrEnded) {
		err = errPendingEnded
	}
	return err
}

// endEnrolling is the authenticator.End of a pending sign-in. Where the epoch can't be moved, it deletes the pending sign-ins of the user,
// so it finishes this one first.
func (c *call) endEnrolling(p *signin.Pending) authenticator.End {
	return func(ctx context.Context, u *account.User) (*account.User, error) {
		if c.api.Steps.LookAgain {
			if err := c.finishEnrolling(ctx, p); err != nil {
				return nil, err
			}
		}
		return c.endAll(ctx, u)
	}
}

// failStep counts a wrong second factor against the pending sign-in, and returns the answer.
func (c *call) failStep(p *signin.Pending) error {
	left, err := c.api.Steps.Fail(c.ctx(), p)
	if errors.Is(err, secondstep.ErrEnded) {
		return errPendingEnded
	}
	if err != nil {
		return err
	}
	if left == 0 {
		c.notifyGuessed(p)
	}
	return c.wrongCode("code", left)
}

// notifyGuessed tells a user that a sign-in with a right first factor has failed at the second (ASVS 5.0, 6.3.5).
func (c *call) notifyGuessed(p *signin.Pending) {
	u, err := c.api.Accounts.Store.Load(c.ctx(), p.User)
	if err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "notice not stored", slog.String("kind", string(letters.CodesGuessed)), slog.String("user", p.User), slog.Any("error", err))
		return
	}
	c.notify(u, letters.CodesGuessed)
}

// verifyCode checks a code of u, and records the result if it isn't right.
func (c *call) verifyCode(kinds audit.ProofKinds, u *account.User, code, device string) (authenticator.Verified, error) {
	service, err := c.factors()
	if err != nil {
		return authenticator.Verified{}, err
	}
	v, err := service.Verify(c.ctx(), u.ID, authenticator.Attempt{Code: code, Address: c.source(), Device: device})
	about := []slog.Attr{slog.String("user", u.ID), slog.String("login", shorten(u.Username)), slog.String("method", "second factor")}
	_, throttled := errors.AsType[*throttle.Error](err)
	switch {
	case throttled:
		c.api.Audit.Record(c.ctx(), kinds.Lock, about...)
	case errors.Is(err, authenticator.ErrWrongCode):
		c.api.Audit.Record(c.ctx(), kinds.Fail, about...)
	case err == nil && v.Method == signin.RecoveryCode:
		c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.RecoveryUsed, slog.String("user", u.ID), slog.Int("left", v.Left))
		c.notify(u, letters.RecoveryUsed)
	}
	return v, err
}

// codeProblem returns the answer to a code that was not accepted. A 401 would make the client believe that the session has ended.
func codeProblem(err error) error {
	sentence := ""
	switch {
	case errors.Is(err, authenticator.ErrWrongCode):
		sentence = "This code is not right. Enter the one that your app shows now, or a recovery code."
	case errors.Is(err, authenticator.ErrNotACode):
		sentence = "Enter the six digits that your app shows, or a recovery code."
	case errors.Is(err, authenticator.ErrKeyLost):
		sentence = "Codes of your app can't be checked any more, because the server's key was lost. Enter a recovery code."
	default:
		return err
	}
	return invalid(map[string][]string{"code": {sentence}})
}

// settleFactors finishes a change of the user's factors that was interrupted, and returns the user and the demand as they then are.
// Whatever moved the epoch meanwhile makes it fail, so the proof that was given for u counts for the new epoch.
func (c *call) settleFactors(u *account.User, demand secondstep.Demand) (*account.User, secondstep.Demand, error) {
	if !demand.Unsettled || c.api.Factors == nil {
		return u, demand, nil
	}
	settled, err := c.api.Factors.Settle(c.ctx(), u, func(ctx context.Context, u *account.User) (*account.User, error) { return c.endAll(ctx, u) })
	if err != nil {
		return nil, demand, err
	}
	demand, err = c.api.Steps.Needs(c.ctx(), u.ID)
	return settled, demand, err
}

// wouldDo returns what a user can show to be fresh, or fully fresh: each entry is what has to be shown together, joined by "+".
func (c *call) wouldDo(u *account.User, fully bool) []string {
	ctx, cancel := resilience.Limit(context.WithoutCancel(c.ctx()), callTimeout) // the time of the call itself is over
	defer cancel()
	demand, all, err := c.api.Steps.Has(ctx, u.ID)
	if err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "factors of a refusal unknown", slog.Any("error", err))
		return nil
	}
	var ways []string
	together := fully && len(demand.Ways) > 0
	if u.HasPassword() && !together {
		ways = append(ways, "password")
	}
	for _, way := range all {
		switch {
		case !together || way == secondstep.Passkey:
			ways = append(ways, string(way))
		case u.HasPassword():
			ways = append(ways, strings.Join([]string{"password", string(way)}, "+"))
		}
	}
	if !u.HasPassword() && len(all) == 0 && c.canMailCode(u) {
		ways = append(ways, "mailed_code")
	}
	return ways
}

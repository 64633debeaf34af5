package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
)

// Errors about factors.
var (
	errLastFactor = problem.New(http.StatusConflict, "last_factor",
		"This server asks you for a second step, so you can't remove your last one. Add another first.")
	errTooManyFactors = problem.New(http.StatusConflict, "too_many_factors",
		"You have as many passkeys and security keys as are allowed. Remove one that is no longer needed.")
	errFactorExists = problem.New(http.StatusConflict, "factor_exists",
		"You have an authenticator app already. Remove it to set up another.")
	errNoFactor = problem.New(http.StatusConflict, "no_factor",
		"Recovery codes stand in for a lost device. Add a passkey or an authenticator app first.")
)

// factorOut is the JSON of a factor. What proves it stays on the server.
type factorOut struct {
	ID         string      `json:"id"`
	Kind       factor.Kind `json:"kind"`
	Name       string      `json:"name"`
	CreatedAt  time.Time   `json:"created_at"`
	LastUsedAt *time.Time  `json:"last_used_at"`
	RPID       string      `json:"rp_id,omitempty"`         // of passkeys and security keys
	Credential string      `json:"credential_id,omitempty"` // likewise
}

func newFactorOut(f *factor.Factor) factorOut {
	used := time.Time{}
	if f.Used != 0 {
		used = time.Unix(f.Used, 0).UTC()
	}
	return factorOut{
		ID: f.ID, Kind: f.Kind, Name: f.Name, CreatedAt: time.Unix(f.Created, 0).UTC(), LastUsedAt: admin.OrNull(used),
		RPID: f.RPID, Credential: base64.RawURLEncoding.EncodeToString(f.Credential),
	}
}

type factorsOut struct {
	Factors       []factorOut `json:"factors"`
	RecoveryCodes int         `json:"recovery_codes"` // how many are left
	SecondStep    bool        `json:"second_step"`    // the user wants a second step after each password
	Required      bool        `json:"required"`       // the server demands a second step of this user

	Passkey *knownAs `json:"passkey,omitempty"`
}

// knownAs is what authenticators know the user by, for the signal methods of browsers (WebAuthn Level 3, section 5.1.10).
type knownAs struct {
	RPID        string `json:"rp_id"`
	UserID      string `json:"user_id"` // the user handle
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
}

// listFactors lists what the caller can sign in with besides a password.
func listFactors(c *call, _ none) (factorsOut, error) { return c.factorsOf(c.who.User) }

func (c *call) factorsOf(u *account.User) (factorsOut, error) { return c.api.factorsOf(c.ctx(), u) }

func (a *API) factorsOf(ctx context.Context, u *account.User) (factorsOut, error) {
	out := factorsOut{Factors: []factorOut{}, Required: a.Steps.Requires(u)}
	if a.Factors == nil {
		return out, nil
	}
	p, err := a.Factors.Profile(ctx, u.ID)
	if err != nil {
		return factorsOut{}, err
	}
	for _, f := range p.Factors {
		out.Factors = append(out.Factors, newFactorOut(f))
	}
	out.RecoveryCodes, out.SecondStep = p.RecoveryCodes, p.SecondStep
	if a.Passkeys != nil && p.Handle != nil {
		known := passkeyUser(u)
		out.Passkey = &knownAs{a.Passkeys.RPID, base64.RawURLEncoding.EncodeToString(p.Handle), known.Name, known.DisplayName}
	}
	return out, nil
}

// factors returns the service that changes factors; a server without their stores has none.
func (c *call) factors() (*authenticator.Service, error) {
	if c.api.Factors == nil {
		return nil, errNotFound
	}
	return c.api.Factors, nil
}

type switchIn struct {
	SecondStep *bool `json:"second_step"`
}

// switchSecondStep sets whether the caller wants a second step after each password, which counts for passkeys: an authenticator
// app and a security key demand it in any case.
func switchSecondStep(c *call, in switchIn) (factorsOut, error) {
	service, err := c.factors()
	if err != nil {
		return factorsOut{}, err
	}
	if in.SecondStep == nil {
		return factorsOut{}, invalid(map[string][]string{"second_step": {"This field is required."}})
	}
	change, err := service.SetSecondStep(c.ctx(), c.who.User, *in.SecondStep, c.endOthers)
	if err != nil {
		return factorsOut{}, err
	}
	deed := "second step switched off"
	if *in.SecondStep {
		deed = "second step switched on"
	}
	c.api.Audit.Record(c.ctx(), audit.UserKinds.Updated, slog.String("user", c.who.User.ID), slog.String("change", deed))
	c.afterChange(change, false)
	return c.factorsOf(c.who.User)
}

type renameFactorIn struct {
	Name *string `json:"name"`
}

const maxFactorName = 100 // characters

// factorName returns the name of a factor as it was typed, or the standard one.
func factorName(typed *string, standard string) (string, error) {
	if typed == nil {
		return standard, nil
	}
	name := strings.TrimSpace(*typed)
	if name == "" || utf8.RuneCountInString(name) > maxFactorName {
		return "", invalid(map[string][]string{"name": {"Enter a name of 1 to 100 characters."}})
	}
	return name, nil
}

func renameFactor(c *call, in renameFactorIn) (factorOut, error) {
	service, err := c.factors()
	if err != nil {
		return factorOut{}, err
	}
	if err := required(map[string]*string{"name": in.Name}); err != nil {
		return factorOut{}, err
	}
	name, err := factorName(in.Name, "")
	if err != nil {
		return factorOut{}, err
	}
	f, err := service.Rename(c.ctx(), c.who.User.ID, c.r.PathValue("id"), name)
	if err != nil {
		return factorOut{}, err
	}
	return newFactorOut(f), nil
}

// removeFactor removes one of the caller's factors, and ends everything of the caller's but this session.
func removeFactor(c *call, _ none) (none, error) {
	service, err := c.factors()
	if err != nil {
		return none{}, err
	}
	f, change, err := service.Remove(c.ctx(), c.who.User, c.r.PathValue("id"), false, c.endOthers)
	if f == nil {
		return none{}, err
	}
	c.recordFactor(audit.SecondFactorKinds.Removed, c.who.User, f) // it counts for nothing any more, also if its row is left
	c.afterChange(change, false)
	return none{}, err
}

// recordFactor records a change of a user's factors, and tells the user.
func (c *call) recordFactor(kind audit.Kind, u *account.User, f *factor.Factor) {
	c.api.Audit.Record(c.ctx(), kind, slog.String("user", u.ID), slog.String("kind", string(f.Kind)), slog.String("factor", f.ID))
	if kind == audit.SecondFactorKinds.Added {
		c.notify(u, letters.FactorAdded)
	} else {
		c.notify(u, letters.FactorRemoved)
	}
}

type recoveryCodesOut struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

// renewRecoveryCodes replaces the caller's recovery codes. The new ones are in this answer alone.
func renewRecoveryCodes(c *call, _ none) (recoveryCodesOut, error) {
	service, err := c.factors()
	if err != nil {
		return recoveryCodesOut{}, err
	}
	u := c.who.User
	codes, err := service.NewRecoveryCodes(c.ctx(), u.ID)
	if err != nil {
		return recoveryCodesOut{}, err
	}
	c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.RecoveryRenewed, slog.String("user", u.ID))
	c.notify(u, letters.RecoveryRenewed)
	c.undoIfEnded(func(ctx context.Context) error { return service.Factors.SetRecoveryCodes(ctx, u.ID, nil) })
	return recoveryCodesOut{codes}, nil
}

type appOut struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	URI    string `json:"uri"`
}

// beginApp returns the secret of a new authenticator app. Nothing is stored until a code of it was shown.
func beginApp(c *call, _ none) (appOut, error) { return c.beginApp(c.who.User, c.who.Session.ID) }

func (c *call) beginApp(u *account.User, holder string) (appOut, error) {
	service, err := c.factors()
	if err != nil {
		return appOut{}, err
	}
	e, err := service.BeginApp(c.ctx(), u, holder)
	if err != nil {
		return appOut{}, err
	}
	return appOut{e.ID, e.Secret, e.URI}, nil
}

type confirmAppIn struct {
	ID   *string `json:"id"`
	Code *string `json:"code"`
	Name *string `json:"name"`
}

// addedOut is a factor that was added, and the recovery codes that came with it if it is the first. They are in this answer alone.
type addedOut struct {
	Factor        factorOut `json:"factor"`
	RecoveryCodes []string  `json:"recovery_codes,omitempty"`
}

// confirmApp adds an authenticator app.
func confirmApp(c *call, in confirmAppIn) (addedOut, error) {
	f, change, err := c.confirmApp(c.who.User, c.who.Session.ID, in, c.endOthers)
	if err != nil {
		return addedOut{}, err
	}
	c.afterChange(change, true, signin.OneTimeCode, signin.MultiFactor)
	return addedOut{newFactorOut(f), change.RecoveryCodes}, nil
}

func (c *call) confirmApp(u *account.User, holder string, in confirmAppIn, end authenticator.End) (*factor.Factor, *authenticator.Change, error) {
	service, err := c.factors()
	if err != nil {
		return nil, nil, err
	}
	if err := required(map[string]*string{"id": in.ID, "code": in.Code}); err != nil {
		return nil, nil, err
	}
	name, err := factorName(in.Name, "Authenticator app")
	if err != nil {
		return nil, nil, err
	}
	f, change, err := service.ConfirmApp(c.ctx(), u, holder, *in.ID, *in.Code, name, end)
	if errors.Is(err, authenticator.ErrWrongCode) {
		err = invalid(map[string][]string{"code": {"This code is not right. Enter the one that your app shows now."}})
	}
	if errors.Is(err, authenticator.ErrEnrolmentEnded) {
		err = invalid(map[string][]string{"id": {"This took too long, or you were signed out meanwhile. Start over with a new QR code."}})
	}
	if err != nil {
		return nil, nil, err
	}
	c.recordFactor(audit.SecondFactorKinds.Added, u, f)
	return f, change, nil
}

// endOthers is the authenticator.End of a caller with a session, which goes on. The caller may have become one who isn't fully
// fresh by the very change, so only the session is checked again.
func (c *call) endOthers(ctx context.Context, u *account.User) (*account.User, error) {
	if err := c.checkSignedIn(ctx); err != nil {
		return nil, err
	}
	if c.api.Steps.LookAgain {
		return c.endWithoutEpoch(ctx, u, c.current())
	}
	s := *c.api.Accounts
	s.Store = recheckedStore{s.Store, c.checkSignedIn}
	return s.RenewEpoch(ctx, u.ID, u.Epoch)
}

func (c *call) checkSignedIn(ctx context.Context) error {
	who, err := auth.IdentifyAgain(ctx)
	if err != nil {
		return err
	}
	return who.CheckSession()
}

// endAll is the authenticator.End of a caller who has no session.
func (c *call) endAll(ctx context.Context, u *account.User) (*account.User, error) {
	if c.api.Steps.LookAgain {
		// What ends everything and removes the factors moves the epoch first.
		now, err := c.api.Accounts.Store.Load(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		if now.Epoch != u.Epoch {
			return nil, account.ErrEpochChanged
		}
		return c.endWithoutEpoch(ctx, u, nil)
	}
	return c.api.Accounts.RenewEpoch(ctx, u.ID, u.Epoch)
}

// endWithoutEpoch ends all sessions but one, all tokens and all pending sign-ins of a user whose epoch can't be moved.
func (c *call) endWithoutEpoch(ctx context.Context, u *account.User, except *session.Session) (*account.User, error) {
	if err := c.api.Steps.EndPending(ctx, u.ID); err != nil {
		return nil, err
	}
	return u, c.api.Auth.DeleteRevoked(session.WithReason(ctx, endreason.AccountChanged), u.ID, except)
}

// afterChange gives the session of the caller the epoch that a change of factors has moved to. The change is done, so what fails
// here ends this session as well, or leaves the rows of ended ones.
func (c *call) afterChange(change *authenticator.Change, second bool, methods ...signin.Method) {
	if !change.Ended {
		return
	}
	if err := c.rotate(change.User.Epoch, second, methods...); err != nil {
		c.api.Log.LogAttrs(c.ctx(), slog.LevelWarn, "session not renewed after a change of factors", slog.Any("error", err))
		return
	}
	c.api.rememberDevice(c.w, c.r, change.User)
	c.remove(change.User.ID, endreason.AccountChanged, c.current())
}

package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/signin"
)

var errPasskeyExists = problem.New(http.StatusConflict, "factor_exists", "This passkey or security key is registered already.")

type creationIn struct {
	Kind *string `json:"kind"`
}

// passkeyCreation returns the options for a new passkey or security key of the caller.
func passkeyCreation(c *call, in creationIn) (*passkey.CreationOptions, error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, err
	}
	kind, err := credentialKind(in.Kind)
	if err != nil {
		return nil, err
	}
	options, err := keys.CreationOptions(c.ctx(), passkeyUser(c.who.User), kind, c.who.Session.ID)
	if errors.Is(err, passkey.ErrTooMany) {
		err = errTooManyFactors
	}
	return options, err
}

// credentialKind is a passkey, unless a security key is asked for.
func credentialKind(typed *string) (factor.Kind, error) {
	switch {
	case typed == nil, *typed == string(factor.Passkey):
		return factor.Passkey, nil
	case *typed == string(factor.SecurityKey):
		return factor.SecurityKey, nil
	}
	return "", invalid(map[string][]string{"kind": {"Choose passkey or security_key."}})
}

// passkeyUser is a user as authenticators show them.
func passkeyUser(u *account.User) passkey.User {
	return passkey.User{ID: u.ID, Name: u.Username, DisplayName: cmp.Or(strings.TrimSpace(u.FirstName+" "+u.LastName), u.Username)}
}

type addPasskeyIn struct {
	Credential json.RawMessage `json:"credential"`
	Kind       *string         `json:"kind"`
	Name       *string         `json:"name"`
}

// addPasskey adds a passkey or a security key of the caller. A security key makes sign-ins demand a second step, so it ends what
// was signed in before; a passkey is added for comfort.
func addPasskey(c *call, in addPasskeyIn) (addedOut, error) {
	service, err := c.factors()
	if err != nil {
		return addedOut{}, err
	}
	f, err := c.register(in)
	if err != nil {
		return addedOut{}, passkeyProblem(err, http.StatusBadRequest)
	}
	change, err := service.Add(c.ctx(), c.who.User, f, c.endOthers)
	if errors.Is(err, factor.ErrExists) {
		err = errPasskeyExists
	}
	if err != nil {
		return addedOut{}, err
	}
	c.recordFactor(audit.SecondFactor.Added, c.who.User, f)
	if !change.Ended {
		c.undoIfEnded(func(ctx context.Context) error { return takeBackFactor(ctx, service, f, change) })
	}
	c.afterChange(change, true, signin.MultiFactor)
	return addedOut{newFactorOut(f), change.RecoveryCodes}, nil
}

// register verifies a new credential.
func (c *call) register(in addPasskeyIn) (*factor.Factor, error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, err
	}
	kind, err := credentialKind(in.Kind)
	if err != nil {
		return nil, err
	}
	name, err := factorName(in.Name, map[factor.Kind]string{factor.Passkey: "Passkey", factor.SecurityKey: "Security key"}[kind])
	if err != nil {
		return nil, err
	}
	if in.Credential == nil {
		return nil, invalid(map[string][]string{"credential": {"This field is required."}})
	}
	f, err := keys.Register(c.ctx(), c.who.User.ID, kind, c.who.Session.ID, in.Credential)
	if err != nil {
		return nil, err
	}
	f.Name = name
	return f, nil
}

// takeBackFactor removes a factor that was added for a session which has ended meanwhile, with the recovery codes that came along.
func takeBackFactor(ctx context.Context, service *authenticator.Service, f *factor.Factor, change *authenticator.Change) error {
	if err := service.Factors.Delete(ctx, f.ID); err != nil || change.RecoveryCodes == nil {
		return err
	}
	return service.Factors.SetRecoveryCodes(ctx, f.User, nil)
}

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
	return c.creationOptions(c.who.User, c.who.Session.ID, in)
}

// passkeyCreationAtSignIn is passkeyCreation in a pending sign-in.
func passkeyCreationAtSignIn(c *call, in creationIn) (*passkey.CreationOptions, error) {
	p, u, err := c.enrolling()
	if err != nil {
		return nil, err
	}
	return c.creationOptions(u, pendingHolder(p), in)
}

// creationOptions returns options that count in the session or the pending sign-in of holder.
func (c *call) creationOptions(u *account.User, holder string, in creationIn) (*passkey.CreationOptions, error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, err
	}
	kind, err := credentialKind(in.Kind)
	if err != nil {
		return nil, err
	}
	return keys.CreationOptions(c.ctx(), passkeyUser(u), kind, holder)
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
	f, change, err := c.addPasskey(service, c.who.User, c.who.Session.ID, in, c.endOthers)
	if err != nil {
		return addedOut{}, err
	}
	if !change.Ended {
		c.undoIfEnded(func(ctx context.Context) error { return takeBackFactor(ctx, service, f, change) })
	}
	c.afterChange(change, true, append(passkey.Shown(f), signin.MultiFactor)...)
	return addedOut{newFactorOut(f), change.RecoveryCodes}, nil
}

// addPasskeyAtSignIn adds a passkey or a security key in a pending sign-in, which completes it.
func addPasskeyAtSignIn(c *call, in addPasskeyIn) (enrolledOut, error) {
	service, err := c.factors()
	if err != nil {
		return enrolledOut{}, err
	}
	p, u, err := c.enrolling()
	if err != nil {
		return enrolledOut{}, err
	}
	f, change, err := c.addPasskey(service, u, pendingHolder(p), in, c.endEnrolling(p))
	if err != nil {
		return enrolledOut{}, err
	}
	user, err := c.enrolled(p, change, passkey.Shown(f)...)
	return enrolledOut{addedOut{newFactorOut(f), change.RecoveryCodes}, user}, err
}

func (c *call) addPasskey(service *authenticator.Service, u *account.User, holder string, in addPasskeyIn, end authenticator.End) (*factor.Factor, *authenticator.Change, error) {
	f, err := c.register(u, holder, in)
	if err != nil {
		return nil, nil, passkeyProblem(err, http.StatusBadRequest)
	}
	change, err := service.Add(c.ctx(), u, f, end)
	if errors.Is(err, factor.ErrExists) {
		err = errPasskeyExists
	}
	if err != nil {
		return nil, nil, err
	}
	c.recordFactor(audit.SecondFactorKinds.Added, u, f)
	return f, change, nil
}

// register verifies a new credential.
func (c *call) register(u *account.User, holder string, in addPasskeyIn) (*factor.Factor, error) {
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
	f, err := keys.Register(c.ctx(), u.ID, kind, holder, in.Credential)
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

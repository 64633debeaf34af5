package httpapi

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/signin"
)

// What a browser sends for a credential is the object that PublicKeyCredential.toJSON makes, and what it gets is made for
// PublicKeyCredential.parseRequestOptionsFromJSON and parseCreationOptionsFromJSON (WebAuthn Level 3, section 5.1).

// relatedOriginsPath is where browsers look for other origins that may use the passkeys of this one (WebAuthn Level 3, 5.11).
const relatedOriginsPath = "/.well-known/webauthn"

type relatedOut struct {
	Origins []string `json:"origins"`
}

// relatedOrigins lists the origins. Browsers read it for pages of other origins.
func relatedOrigins(c *call, _ none) (relatedOut, error) {
	c.w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return relatedOut{c.api.RelatedOrigins}, nil
}

// passkeys returns the service, or the reason why there are no passkeys.
func (c *call) passkeys() (*passkey.Service, error) {
	if c.api.Passkeys == nil {
		return nil, problem.New(http.StatusBadRequest, "passkeys_off", "There are no passkeys here: "+c.api.NoPasskeys+".")
	}
	return c.api.Passkeys, nil
}

// passkeyOptions returns the options for a sign-in by passkey alone. They are the same for everyone but for the challenge, and
// nothing is stored.
func passkeyOptions(c *call, _ none) (*passkey.RequestOptions, error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, err
	}
	return keys.RequestOptions()
}

type passkeyLoginIn struct {
	Credential json.RawMessage `json:"credential"`
	Remember   *bool           `json:"remember"`
	App        *bool           `json:"app"`
}

// passkeyLogin signs in with a passkey that has verified its user, which is two factors in one.
func passkeyLogin(c *call, in passkeyLoginIn) (userOut, error) {
	app, err := c.forApp(in.App)
	if err != nil {
		return userOut{}, err
	}
	u, done, err := c.provePasskey(in.Credential)
	if err != nil {
		c.recordRefusedPasskey(audit.LoginKinds.Fail, u, err)
		return userOut{}, passkeyProblem(err, http.StatusUnauthorized)
	}
	done.remember, done.app, done.method = in.Remember == nil || *in.Remember, app, "passkey"
	if app {
		done.method = "app"
	}
	out, err := c.finishSignIn(shorten(u.Username), done)
	if err != nil {
		return userOut{}, err
	}
	c.endPending()
	return out, nil
}

// provePasskey verifies the credential of a user who isn't known yet. It returns the user also with an error if the credential
// says who it is. The account is read before the factors, because a change of the factors moves its epoch afterwards.
func (c *call) provePasskey(credential json.RawMessage) (u *account.User, done completed, err error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, done, err
	}
	a, err := readAssertion(credential)
	if err != nil {
		return nil, done, err
	}
	id, err := keys.Owner(c.ctx(), a)
	if err != nil {
		return nil, done, err
	}
	u, err = c.api.Accounts.Store.Load(c.ctx(), id)
	if errors.Is(err, account.ErrNotFound) || err == nil && !u.IsActive {
		return u, done, passkey.ErrRefused
	}
	if err != nil {
		return nil, done, err
	}
	demand, err := c.api.Steps.Needs(c.ctx(), id)
	if err != nil {
		return u, done, err
	}
	settled, demand, err := c.settleFactors(u, demand)
	if err != nil {
		return u, done, err
	}
	proof, err := keys.Check(c.ctx(), a, passkey.Ceremony{Purpose: passkey.SignIn, User: id, Verify: true})
	if err != nil {
		return u, done, err
	}
	c.recordCounter(proof, u.ID)
	return u, completed{user: settled, epoch: settled.Epoch, demand: demand, methods: proof.Methods, second: true}, nil
}

func readAssertion(credential json.RawMessage) (*passkey.Assertion, error) {
	if credential == nil {
		return nil, invalid(map[string][]string{"credential": {"This field is required."}})
	}
	return passkey.ParseAssertion(credential)
}

// stepOptions returns the options for the second step of a sign-in; nil if the user has no passkey or security key that can be
// used here.
func (c *call) stepOptions(p *signin.Pending) (*passkey.RequestOptions, error) {
	if c.api.Passkeys == nil {
		return nil, nil
	}
	return c.api.Passkeys.RequestOptionsFor(c.ctx(), stepCeremony(p))
}

// stepCeremony binds a challenge to a pending sign-in. After a password it is enough that the authenticator is there.
func stepCeremony(p *signin.Pending) passkey.Ceremony {
	return passkey.Ceremony{Purpose: passkey.Second, User: p.User, Bound: hex.EncodeToString(p.ID[:])}
}

// takeStepByPasskey completes a pending sign-in of u by a passkey or a security key.
func (c *call) takeStepByPasskey(p *signin.Pending, demand secondstep.Demand, u *account.User, credential json.RawMessage) (userOut, error) {
	proof, err := c.checkPasskey(credential, stepCeremony(p))
	if err != nil {
		c.recordRefusedPasskey(audit.LoginKinds.Fail, u, err)
		return userOut{}, passkeyProblem(err, http.StatusBadRequest)
	}
	return c.takeStep(p, demand, proof.Methods...)
}

// checkPasskey verifies the credential of a user who is known. The account must have been read before.
func (c *call) checkPasskey(credential json.RawMessage, about passkey.Ceremony) (*passkey.Proof, error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, err
	}
	a, err := readAssertion(credential)
	if err != nil {
		return nil, err
	}
	proof, err := keys.Check(c.ctx(), a, about)
	if err == nil {
		c.recordCounter(proof, about.User)
	}
	return proof, err
}

var errNoPasskey = problem.New(http.StatusConflict, "no_passkey", "You have no passkey or security key that works at this address.")

// reauthenticateOptions returns the options for the caller to show a passkey or a security key again.
func reauthenticateOptions(c *call, _ none) (*passkey.RequestOptions, error) {
	keys, err := c.passkeys()
	if err != nil {
		return nil, err
	}
	options, err := keys.RequestOptionsFor(c.ctx(), c.againCeremony())
	if err == nil && options == nil {
		err = errNoPasskey
	}
	return options, err
}

// againCeremony binds a challenge to the caller's session.
func (c *call) againCeremony() passkey.Ceremony {
	return passkey.Ceremony{Purpose: passkey.Again, User: c.who.User.ID, Bound: c.who.Session.ID}
}

// showPasskeyAgain verifies a passkey or security key of the caller.
func (c *call) showPasskeyAgain(credential json.RawMessage) (*passkey.Proof, error) {
	proof, err := c.checkPasskey(credential, c.againCeremony())
	if err != nil {
		c.recordRefusedPasskey(audit.ReauthenticateKinds.Fail, c.who.User, err)
		return nil, passkeyProblem(err, http.StatusBadRequest)
	}
	return proof, nil
}

// passkeyProblem returns the response for an error of package passkey. The status is 401 where a sign-in is refused, and 400
// where the caller is signed in or half signed in, since a 401 would say that this has ended.
func passkeyProblem(err error, status int) error {
	wrong := func(sentence string) error {
		return invalid(map[string][]string{"credential": {sentence}})
	}
	switch {
	case errors.Is(err, passkey.ErrMalformed):
		return wrong("Not a credential as browsers encode it.")
	case errors.Is(err, passkey.ErrUnknown):
		return problem.New(status, "passkey_unknown", "This passkey has been removed from its account. Use another way to sign in.")
	case errors.Is(err, passkey.ErrChanged):
		return problem.New(status, "passkey_changed",
			"This passkey isn't the one that was added: it can be copied now and couldn't before, or the other way round. "+
				"Sign in another way, remove it, and add it anew.")
	case errors.Is(err, passkey.ErrRefused) && status == http.StatusUnauthorized:
		return problem.New(status, "invalid_credentials", "This passkey wasn't accepted. Try again, or use another way to sign in.")
	case errors.Is(err, passkey.ErrRefused):
		return wrong("This passkey wasn't accepted. Try again, or use another one.")
	}
	return err
}

// recordRefusedPasskey records that a passkey of u was refused; nil: it isn't known whose. An outage is logged elsewhere.
func (c *call) recordRefusedPasskey(kind audit.Kind, u *account.User, err error) {
	if !errors.Is(err, passkey.ErrRefused) && !errors.Is(err, passkey.ErrUnknown) && !errors.Is(err, passkey.ErrChanged) {
		return
	}
	about := []slog.Attr{slog.String("method", "passkey"), slog.String("reason", shorten(err.Error()))}
	if u != nil {
		about = append(about, slog.String("user", u.ID), slog.String("login", shorten(u.Username)))
	}
	c.api.Audit.Record(c.ctx(), kind, about...)
}

// recordCounter records that the counter of an authenticator hasn't risen.
func (c *call) recordCounter(proof *passkey.Proof, user string) {
	if proof.CounterFell {
		c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.PasskeyCounter, slog.String("user", user), slog.String("factor", proof.Factor.ID))
	}
}

package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/signin"
)

type signUpIn struct {
	Email *string `json:"email"`
}

// signUp sends a link to an address, on which an account is made. If there is an account with the address, the message says so: the
// answer doesn't tell.
func signUp(c *call, in signUpIn) error {
	address, err := requiredEmail(in.Email)
	if err != nil {
		return err
	}
	return c.api.Letters.SignUp(c.ctx(), address, c.source(), c.about())
}

type signUpLinkIn struct {
	Secret *string `json:"secret"`
}

type signUpLinkOut struct {
	Email string `json:"email"`
}

// showSignUpLink says for which address a link is, so that a person who was sent a stranger's link can see it. It changes nothing.
func showSignUpLink(c *call, in signUpLinkIn) (signUpLinkOut, error) {
	if err := required(map[string]*string{"secret": in.Secret}); err != nil {
		return signUpLinkOut{}, err
	}
	address, err := c.api.Letters.SignUpAddress(c.ctx(), *in.Secret)
	return signUpLinkOut{address}, err
}

type completeSignUpIn struct {
	Secret   *string `json:"secret"`
	Username *string `json:"username"`
	Password *string `json:"password"`
}

// completeSignUp makes the account of a person who has opened that link, or that of an invitation, and signs them in: in this browser,
// whichever asked.
func completeSignUp(c *call, in completeSignUpIn) (userOut, error) {
	err := required(map[string]*string{"secret": in.Secret, "username": in.Username, "password": in.Password})
	if err != nil {
		return userOut{}, err
	}
	u, invitation, err := c.api.Letters.CompleteSignUp(c.ctx(), *in.Secret, account.NewUser{Username: *in.Username, Password: *in.Password, Language: c.language()}, account.SignUpByLink{})
	if err != nil {
		return userOut{}, err
	}
	c.recordSignUp(u, invitation)
	return c.complete(u, firstStep{method: methodSignUp, methods: []signin.Method{signin.Password}, remember: true})
}

// recordSignUp records that an account was made, and of which invitation; nil: of none.
func (c *call) recordSignUp(u *account.User, invitation *mail.Invitation) {
	about := []slog.Attr{slog.String("user", u.ID), slog.String("login", shorten(u.Username)), slog.String("method", methodSignUp)}
	if invitation != nil {
		about = append(about, slog.String("invitation", invitation.ID))
		if invitation.Inviter != "" { // not the operator
			about = append(about, slog.String("inviter", invitation.Inviter))
		}
	}
	if len(u.Groups) > 0 { // those of an invitation
		about = append(about, slog.String("change", admin.LogText(u.DescribeRightsChange(&account.User{}))))
	}
	c.api.Audit.Record(c.ctx(), audit.UserKinds.Created, about...)
	if u.HasProvenEmail() { // the link of an invitation may have been passed on otherwise
		c.api.Audit.Record(c.ctx(), audit.EmailKinds.Verified, slog.String("user", u.ID), slog.String("method", methodSignUp))
	}
}

type firstPasskeyOptionsIn struct {
	Secret   *string `json:"secret"`
	Username *string `json:"username"`
}

// firstPasskeyOptions returns the options for the passkey of an account that is made with it, in place of a password. They count for the link.
// The link and the username are checked here, before a person's device makes a passkey, and again when it is there. Nothing is stored.
func firstPasskeyOptions(c *call, in firstPasskeyOptionsIn) (*passkey.CreationOptions, error) {
	if err := required(map[string]*string{"secret": in.Secret, "username": in.Username}); err != nil {
		return nil, err
	}
	keys, err := c.firstPasskeys()
	if err != nil {
		return nil, err
	}
	if err := c.api.Letters.CheckSignUp(c.ctx(), *in.Secret, account.NewUser{Username: *in.Username}); err != nil {
		return nil, err
	}
	return keys.FirstOptions(passkeyUser(&account.User{Username: *in.Username}), linkHolder(*in.Secret))
}

// firstPasskeys returns the service, or the reason why accounts can't begin with a passkey.
func (c *call) firstPasskeys() (*passkey.Service, error) {
	keys, err := c.passkeys()
	if err == nil && c.api.Letters.Available() && !c.api.Letters.JoinsByPasskey() {
		err = letters.ErrPasskeyApart
	}
	return keys, err
}

// linkHolder names the person who has the link with this secret.
func linkHolder(secret string) string {
	hash := sha256.Sum256([]byte(secret))
	return "link " + hex.EncodeToString(hash[:])
}

type firstPasskeyIn struct {
	Secret     *string         `json:"secret"`
	Username   *string         `json:"username"`
	Credential json.RawMessage `json:"credential"`
	Name       *string         `json:"name"`
}

// completeSignUpByPasskey is completeSignUp for an account that has a passkey and no password. The passkey is both factors. A passkey that
// is refused leaves the link as it is.
func completeSignUpByPasskey(c *call, in firstPasskeyIn) (enrolledOut, error) {
	if err := required(map[string]*string{"secret": in.Secret, "username": in.Username}); err != nil {
		return enrolledOut{}, err
	}
	keys, err := c.firstPasskeys()
	if err != nil {
		return enrolledOut{}, err
	}
	name, err := factorName(in.Name, "Passkey")
	if err != nil {
		return enrolledOut{}, err
	}
	if in.Credential == nil {
		return enrolledOut{}, invalid(map[string][]string{"credential": {"This field is required."}})
	}
	n := account.NewUser{Username: *in.Username, Language: c.language()}
	if err := c.api.Letters.CheckSignUp(c.ctx(), *in.Secret, n); err != nil {
		return enrolledOut{}, err
	}
	f, handle, err := keys.RegisterFirst(c.ctx(), linkHolder(*in.Secret), in.Credential)
	if err != nil {
		return enrolledOut{}, passkeyProblem(err, http.StatusBadRequest)
	}
	f.ID, f.Name, f.State = authenticator.NewID(), name, factor.Active
	codes, hashes := authenticator.NewRecoveryCodes()
	u, invitation, err := c.api.Letters.CompleteSignUp(c.ctx(), *in.Secret, n, account.SignUpByLink{Passkey: f, Handle: handle, RecoveryCodes: hashes})
	if errors.Is(err, factor.ErrExists) {
		err = errPasskeyExists
	}
	if err != nil {
		return enrolledOut{}, err
	}
	c.recordSignUp(u, invitation)
	// Unlike a factor that is added later it is told by no mail.
	c.api.Audit.Record(c.ctx(), audit.SecondFactorKinds.Added, slog.String("user", u.ID), slog.String("kind", string(f.Kind)), slog.String("factor", f.ID))
	demand, err := c.api.Steps.Needs(c.ctx(), u.ID)
	if err != nil {
		return enrolledOut{}, err
	}
	user, err := c.finishSignIn(shorten(u.Username), completed{
		user: u, epoch: u.Epoch, demand: demand, method: methodSignUp, methods: append(passkey.Shown(f), signin.MultiFactor), second: true, remember: true,
	})
	if err != nil {
		return enrolledOut{}, err
	}
	c.endPending()
	return enrolledOut{addedOut{newFactorOut(f), codes}, user}, nil
}

package httpapi

import (
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/signin"
)

type signUpIn struct {
	Email *string `json:"email"`
}

// signUp sends a link to an address, on which an account is made. If there is an account with the address, the message says so: the
// answer doesn't tell.
func signUp(c *call, in signUpIn) error {
	if err := required(map[string]*string{"email": in.Email}); err != nil {
		return err
	}
	address, err := account.ParseEmail(*in.Email)
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

// completeSignUp makes the account of a person who has opened that link, or that of an invitation, and signs them in: in this browser, whichever asked.
func completeSignUp(c *call, in completeSignUpIn) (userOut, error) {
	err := required(map[string]*string{"secret": in.Secret, "username": in.Username, "password": in.Password})
	if err != nil {
		return userOut{}, err
	}
	u, invitation, err := c.api.Letters.CompleteSignUp(c.ctx(), *in.Secret, account.NewUser{Username: *in.Username, Password: *in.Password, Language: c.language()}, account.Joining{})
	if err != nil {
		return userOut{}, err
	}
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
	return c.complete(u, firstStep{method: methodSignUp, methods: []signin.Method{signin.Password}, remember: true})
}

package django

import (
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

// loginIsEmail reports whether users sign in by their e-mail address (USERNAME_FIELD is "email"). One column is then both
// the username and the address.
func (db *DB) loginIsEmail() bool { return db.config.UserLogin == "email" }

// unifyEmailLogin makes the username and the address of a changed user the same, if one column holds both: the address, if
// it was changed, or else the username. before is the zero User for a new one. It returns an *[account.InvalidError] if the
// result is not an address.
func (db *DB) unifyEmailLogin(before, u *account.User) error {
	if !db.loginIsEmail() {
		return nil
	}
	if u.Email != "" && u.Email != before.Email {
		u.Username = u.Email
	}
	if u.Username != before.Username && !strings.Contains(u.Username, "@") {
		return &account.InvalidError{Fields: map[string][]password.Problem{"email": {{
			Code: "invalid", Message: "Enter a valid email address.",
		}}}}
	}
	u.Email = u.Username
	return nil
}

package django

import (
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

// byAddress reports whether people sign in by their e-mail address: the one column is both then, the name and the address.
func (db *DB) byAddress() bool { return db.config.UserLogin == "email" }

// oneName makes of the name and the address of a user what goes into that column: of those that have changed the address,
// or else the name. before is the zero User for a new one. *[account.InvalidError].
func (db *DB) oneName(before, u *account.User) error {
	if !db.byAddress() {
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

package httpapi

import (
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// editMeIn has the fields that users may change themselves; an absent field keeps its value. Users sign in with the username
// or the e-mail address, so only an administrator may change those.
type editMeIn struct {
	FirstName *string `json:"first_name"`
	LastName  *string `json:"last_name"`
	Language  *string `json:"language"` // "": that of the client that causes a message
}

func editMe(c *call, in editMeIn) (userOut, error) {
	var before account.User
	u, err := c.accounts().Edit(c.ctx(), c.who.User.ID, func(u *account.User) error {
		if err := c.api.checkLanguage(in.Language, u.Language); err != nil {
			return err
		}
		before = *u
		set(&u.FirstName, in.FirstName)
		set(&u.LastName, in.LastName)
		set(&u.Language, in.Language)
		return nil
	})
	if err != nil {
		return userOut{}, err
	}
	if before.FirstName != u.FirstName || before.LastName != u.LastName || before.Language != u.Language {
		c.record(audit.UserKinds.Updated, u)
	}
	if in.Language != nil {
		c.showLanguage(u)
	}
	return newUserOut(u), nil
}

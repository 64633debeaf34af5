package account

import (
	"github.com/cloakroom-auth/cloakroom/factor"
)

// SignUpByLink is what happens in the step that makes the account of a person who was mailed a link for it.
type SignUpByLink struct {
	// Link is the SHA-256 of the secret in the link, of a sign-up or an invitation. It is spent.
	Link [32]byte

	// Passkey is what the account has in place of a password; nil: it has a password. Its User and Epoch are set when the account is made.
	Passkey       *factor.Factor
	Handle        []byte     // the user handle that the passkey was made for
	RecoveryCodes [][32]byte // their hashes
}

// join does what belongs to the making of u.
func (a act) join(u *User, j *SignUpByLink) error {
	if j == nil {
		return nil
	}
	of := *j
	if j.Passkey != nil {
		passkey := *j.Passkey
		passkey.User, passkey.Epoch = u.ID, u.Epoch
		of.Passkey = &passkey
	}
	return a.SpendLink(u.ID, of)
}

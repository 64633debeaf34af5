package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/token"
)

// ImportedUser is a user of another program to import.
type ImportedUser struct {
	Source string       // identifies the other program's database
	ID     string       // the user's ID there; the user keeps it here if it is free
	User   account.User // as it is there. Its ID, Epoch and Permissions are ignored
}

// ImportResult is the result of importing one [ImportedUser].
type ImportResult struct {
	User     *account.User // nil: the user was not imported
	Created  bool
	Changed  bool
	Deferred bool // its ID is in use here: import it after all users who can keep theirs

	// Conflict says what prevented the import. "username": another user has the name, so a new user was not imported, or an
	// imported one kept the name it had here. "email": another user has the address, and everything else was imported. "id":
	// the ID belongs to another person there now, and nothing was imported.
	Conflict string
}

// Importer is an [account.Store] that can import the users of other programs.
type Importer interface {
	// Import imports users, all in one atomic step, and returns the result for each. A user from an earlier import gets what has changed
	// there since then, but no password if it was taken away here; a new password or a changed IsActive changes the epoch, and the user's
	// tokens of [ImportedTokenData] that have not ended get the new one. A user whose ID is in use is deferred, unless later is set.
	// Groups must exist. Before it commits, Import calls agree, unless it is nil: if agree fails, nothing is written, and Import returns
	// the error with the results that would have been.
	Import(ctx context.Context, users []ImportedUser, later bool, agree func([]ImportResult) error) ([]ImportResult, error)

	// Imports returns the IDs here of all users imported from a source, by their IDs there, without users deleted here.
	Imports(ctx context.Context, source string) (map[string]string, error)

	// ImportToken adds a token, whose Data is [ImportedTokenData], unless it was added before: one that has ended or expired here since stays so.
	// It reports whether it has added the token, or with dry, which writes nothing, whether it would.
	ImportToken(ctx context.Context, r *token.Record, dry bool) (added bool, err error)
}

// ImportedTokenData is the Data of tokens that were imported from a source.
func ImportedTokenData(source string) []byte { return []byte("imported: " + source) }

// part is a group of fields that is imported independently: a part that hasn't changed there doesn't overwrite what has
// changed here.
type part struct {
	name string
	of   func(u *account.User) any
	take func(to, from *account.User)
}

// parts is in the order of the hashes in a fingerprint. The password isn't among them, since a rehash changes it here.
var parts = []part{
	{"username", func(u *account.User) any { return u.Username }, func(to, from *account.User) { to.Username = from.Username }},
	{"email", func(u *account.User) any { return u.Email }, func(to, from *account.User) { to.Email = from.Email }},
	{"first_name", func(u *account.User) any { return u.FirstName }, func(to, from *account.User) { to.FirstName = from.FirstName }},
	{"last_name", func(u *account.User) any { return u.LastName }, func(to, from *account.User) { to.LastName = from.LastName }},
	{"is_active", func(u *account.User) any { return u.IsActive }, func(to, from *account.User) { to.IsActive = from.IsActive }},
	{"is_staff", func(u *account.User) any { return u.IsStaff }, func(to, from *account.User) { to.IsStaff = from.IsStaff }},
	{"is_superuser", func(u *account.User) any { return u.IsSuperuser }, func(to, from *account.User) { to.IsSuperuser = from.IsSuperuser }},
	{"date_joined", func(u *account.User) any { return u.DateJoined }, func(to, from *account.User) { to.DateJoined = from.DateJoined }},
	{"last_login", func(u *account.User) any { return u.LastLogin }, func(to, from *account.User) { to.LastLogin = max(to.LastLogin, from.LastLogin) }},
	{"groups", func(u *account.User) any { return u.Groups }, func(to, from *account.User) { to.Groups = slices.Clone(from.Groups) }},
	{"permissions", func(u *account.User) any { return u.UserPermissions }, func(to, from *account.User) { to.UserPermissions = slices.Clone(from.UserPermissions) }},
}

// partSize is how many bytes of each hash a fingerprint has.
const partSize = 8

// Fingerprint returns what a later import needs to know what has changed since: a hash of each part except the password. leftOut
// names fields that were not imported; they count as changed in the next import, which tries them again.
func (in *ImportedUser) Fingerprint(leftOut ...string) []byte {
	fingerprint := make([]byte, 0, len(parts)*partSize)
	for _, p := range parts {
		if slices.Contains(leftOut, p.name) {
			fingerprint = append(fingerprint, make([]byte, partSize)...)
			continue
		}
		fingerprint = append(fingerprint, in.hash(p)...)
	}
	return fingerprint
}

func (in *ImportedUser) hash(p part) []byte {
	text, err := json.Marshal(p.of(&in.User))
	if err != nil {
		panic(fmt.Sprintf("store: encode a part of a user: %v", err)) // can't happen with strings, numbers and lists
	}
	sum := sha256.Sum256(append([]byte(p.name+"="), text...))
	return sum[:partSize]
}

// Merge sets in u what has changed there since the fingerprint; everything, if the fingerprint has another format.
func (in *ImportedUser) Merge(u *account.User, fingerprint []byte) {
	for i, p := range parts {
		if !in.same(i, fingerprint) {
			p.take(u, &in.User)
		}
	}
}

func (in *ImportedUser) same(i int, fingerprint []byte) bool {
	return len(fingerprint) == len(parts)*partSize && string(fingerprint[i*partSize:(i+1)*partSize]) == string(in.hash(parts[i]))
}

// SameIDOtherPerson reports whether the ID belongs to another person there than at the time of the fingerprint: neither the name
// nor the join date is the same. That happens if the source database was replaced.
func (in *ImportedUser) SameIDOtherPerson(fingerprint []byte) bool {
	if len(fingerprint) != len(parts)*partSize || in.User.DateJoined == 0 {
		return false
	}
	for i, p := range parts {
		if (p.name == "username" || p.name == "date_joined") && in.same(i, fingerprint) {
			return false
		}
	}
	return true
}

package account

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
)

// Imported is a user of another program, to be taken over.
type Imported struct {
	Source string // names the program's database
	ID     string // the user's there; kept where it can be
	User   User   // as it is there. Its ID, Epoch and Permissions don't count
}

// ImportResult is what became of an [Imported].
type ImportResult struct {
	User     *User // nil: nothing was taken over
	Created  bool
	Changed  bool
	Deferred bool // it can't have the ID that it had: it should come after all that can

	// Conflict is what stood in the way: "username": somebody else is called so, and a new user was not taken over, or one
	// who is here kept the name; "email": it is somebody else's address, and all but it was taken over; "id": it is not
	// the user who was taken over from under this ID, and nothing was.
	Conflict string
}

// Importer is a [Store] that takes over other programs' users.
type Importer interface {
	// Import takes over users, all in one step, and returns what became of each. A user whom an earlier import made is
	// changed by what has changed there since; a new password, or a change of IsActive, moves the epoch. Who can't keep
	// the ID is left for later, unless later is set. Groups must exist. Before it is so, agree is asked unless it is nil:
	// its error undoes everything, and comes back with what would have become of them.
	Import(ctx context.Context, users []Imported, later bool, agree func([]ImportResult) error) ([]ImportResult, error)

	// Imports returns the IDs here of all who were taken over from a source, by their IDs there. Who has been deleted
	// here is not among them.
	Imports(ctx context.Context, source string) (map[string]string, error)
}

// part is what of a user is taken over by itself: what has not changed there leaves alone what has changed here.
type part struct {
	name string
	of   func(u *User) any
	take func(to, from *User)
}

// parts is in the order of the hashes in a state. The password isn't among them: it changes here without anybody's doing.
var parts = []part{
	{"username", func(u *User) any { return u.Username }, func(to, from *User) { to.Username = from.Username }},
	{"email", func(u *User) any { return u.Email }, func(to, from *User) { to.Email = from.Email }},
	{"first_name", func(u *User) any { return u.FirstName }, func(to, from *User) { to.FirstName = from.FirstName }},
	{"last_name", func(u *User) any { return u.LastName }, func(to, from *User) { to.LastName = from.LastName }},
	{"is_active", func(u *User) any { return u.IsActive }, func(to, from *User) { to.IsActive = from.IsActive }},
	{"is_staff", func(u *User) any { return u.IsStaff }, func(to, from *User) { to.IsStaff = from.IsStaff }},
	{"is_superuser", func(u *User) any { return u.IsSuperuser }, func(to, from *User) { to.IsSuperuser = from.IsSuperuser }},
	{"date_joined", func(u *User) any { return u.DateJoined }, func(to, from *User) { to.DateJoined = from.DateJoined }},
	{"last_login", func(u *User) any { return u.LastLogin }, func(to, from *User) { to.LastLogin = max(to.LastLogin, from.LastLogin) }},
	{"groups", func(u *User) any { return u.Groups }, func(to, from *User) { to.Groups = slices.Clone(from.Groups) }},
	{"permissions", func(u *User) any { return u.UserPermissions }, func(to, from *User) { to.UserPermissions = slices.Clone(from.UserPermissions) }},
}

// partSize is how much of each hash is kept.
const partSize = 8

// State returns what tells an import later what has changed since: a hash of each part but the password. What was left out,
// by the names of its fields, counts as changed then, so that it is tried again.
func (in *Imported) State(leftOut ...string) []byte {
	state := make([]byte, 0, len(parts)*partSize)
	for _, p := range parts {
		if slices.Contains(leftOut, p.name) {
			state = append(state, make([]byte, partSize)...)
			continue
		}
		state = append(state, in.hash(p)...)
	}
	return state
}

func (in *Imported) hash(p part) []byte {
	text, err := json.Marshal(p.of(&in.User))
	if err != nil {
		panic(fmt.Sprintf("account: encode a part of a user: %v", err)) // strings, numbers and lists always can be
	}
	sum := sha256.Sum256(append([]byte(p.name+"="), text...))
	return sum[:partSize]
}

// Merge changes u by what has changed there since the state. All has, if the state is none of this form.
func (in *Imported) Merge(u *User, state []byte) {
	for i, p := range parts {
		if !in.same(i, state) {
			p.take(u, &in.User)
		}
	}
}

func (in *Imported) same(i int, state []byte) bool {
	return len(state) == len(parts)*partSize && string(state[i*partSize:(i+1)*partSize]) == string(in.hash(parts[i]))
}

// SameIDOtherPerson reports whether it is somebody else than at the state who has the ID there now: neither the name nor the day of
// joining is as it was. So it is when the database is not the one that it was.
func (in *Imported) SameIDOtherPerson(state []byte) bool {
	if len(state) != len(parts)*partSize || in.User.DateJoined == 0 {
		return false
	}
	for i, p := range parts {
		if (p.name == "username" || p.name == "date_joined") && in.same(i, state) {
			return false
		}
	}
	return true
}

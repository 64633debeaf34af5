package httpapi

import (
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/api"
)

// userOut is a user on the wire: the article's six fields, and what Django has besides. Its fields are such as package json
// writes at once: a value that encodes itself is encoded, checked and copied.
type userOut struct {
	ID          any      `json:"id"` // int64 or string
	Username    string   `json:"username"`
	Email       string   `json:"email"`
	FirstName   string   `json:"first_name"`
	LastName    string   `json:"last_name"`
	DateJoined  string   `json:"date_joined"`
	LastLogin   *string  `json:"last_login"`
	IsStaff     bool     `json:"is_staff"`
	IsSuperuser bool     `json:"is_superuser"`
	Groups      []string `json:"groups"`
	Permissions []string `json:"permissions"`
}

func newUserOut(u *account.User) userOut {
	out := userOut{
		ID: api.Number(u.ID), Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName,
		DateJoined: stamp(u.DateJoined), IsStaff: u.IsStaff, IsSuperuser: u.IsSuperuser,
		Groups: orEmpty(u.Groups), Permissions: orEmpty(u.Permissions),
	}
	if u.LastLogin != 0 {
		at := stamp(u.LastLogin)
		out.LastLogin = &at
	}
	return out
}

// stamp writes a Unix time as RFC 3339 has it, in UTC.
func stamp(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// me tells a program that holds a token only of the permissions that the token may use.
func me(a *API, who *auth.Identity) []byte {
	if who.Token == nil {
		return a.told.user(who.User)
	}
	out := newUserOut(who.User)
	out.Permissions = slices.DeleteFunc(slices.Clone(out.Permissions), func(p string) bool { return !who.Has(p) })
	return jsonLine(out)
}

// told remembers how some users were written. Who is asking is shared by many requests, and never changes: another state of
// the user is another [account.User].
type told struct {
	slots [1024]atomic.Pointer[written]
}

type written struct {
	user *account.User
	line []byte
}

var toldSeed = maphash.MakeSeed()

func (t *told) user(u *account.User) []byte {
	slot := &t.slots[maphash.String(toldSeed, u.ID)%uint64(len(t.slots))]
	if w := slot.Load(); w != nil && w.user == u {
		return w.line
	}
	line := jsonLine(newUserOut(u))
	slot.Store(&written{u, line})
	return line
}

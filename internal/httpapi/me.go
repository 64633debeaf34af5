package httpapi

import (
	"encoding/json"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// userOut is the JSON of a user. But for Extra, which few users have, it has no fields with a MarshalJSON method, whose results
// encoding/json would check and copy.
type userOut struct {
	ID          any      `json:"id"` // int64 or string
	Username    string   `json:"username"`
	Email       string   `json:"email"`
	FirstName   string   `json:"first_name"`
	LastName    string   `json:"last_name"`
	Language    string   `json:"language,omitempty"`
	DateJoined  string   `json:"date_joined"`
	LastLogin   *string  `json:"last_login"`
	IsStaff     bool     `json:"is_staff"`
	IsSuperuser bool     `json:"is_superuser"`
	Groups      []string `json:"groups"`
	Permissions []string `json:"permissions"`

	Extra json.RawMessage `json:"extra,omitempty"` // an object
}

func newUserOut(u *account.User) userOut {
	out := userOut{
		ID: admin.Number(u.ID), Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, Language: u.Language,
		DateJoined: formatTime(u.DateJoined), IsStaff: u.IsStaff, IsSuperuser: u.IsSuperuser,
		Groups: orEmpty(u.Groups), Permissions: orEmpty(u.Permissions),
		Extra: json.RawMessage(u.Extra.Public),
	}
	if u.LastLogin != 0 {
		at := formatTime(u.LastLogin)
		out.LastLogin = &at
	}
	return out
}

// formatTime returns a Unix time in the form of RFC 3339, in UTC.
func formatTime(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// me returns the JSON of the caller. With a token, the permissions are those that the token grants.
func me(a *API, who *auth.Identity) []byte {
	if who.Token == nil {
		return a.userJSON.line(who.User)
	}
	out := newUserOut(who.User)
	out.Permissions = slices.DeleteFunc(slices.Clone(out.Permissions), func(p string) bool { return !who.Has(p) })
	return jsonLine(out)
}

// userCache remembers the JSON of users, which would cost a tenth of a request of /api/me to make. An [account.User] never
// changes while requests share it: another state of a user is another pointer. Where each request reads the user from the
// database, the fields are compared.
type userCache struct {
	slots [1024]atomic.Pointer[cachedUser]
}

type cachedUser struct {
	user *account.User
	line []byte
}

var userCacheSeed = maphash.MakeSeed()

// line returns the line of JSON that describes a user.
func (t *userCache) line(u *account.User) []byte {
	slot := &t.slots[maphash.String(userCacheSeed, u.ID)%uint64(len(t.slots))]
	if cached := slot.Load(); cached != nil && (cached.user == u || haveSameJSON(cached.user, u)) {
		return cached.line
	}
	line := jsonLine(newUserOut(u))
	slot.Store(&cachedUser{u, line})
	return line
}

// haveSameJSON reports whether [newUserOut] makes the same of both users.
func haveSameJSON(a, b *account.User) bool {
	return a.ID == b.ID && a.Username == b.Username && a.Email == b.Email && a.Language == b.Language && a.FirstName == b.FirstName && a.LastName == b.LastName &&
		a.DateJoined == b.DateJoined && a.LastLogin == b.LastLogin && a.IsStaff == b.IsStaff && a.IsSuperuser == b.IsSuperuser &&
		slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Permissions, b.Permissions) && a.Extra.Public == b.Extra.Public
}

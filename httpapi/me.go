package httpapi

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
)

// userOut is a user on the wire: the article's six fields, and what Django has besides.
type userOut struct {
	ID          json.RawMessage `json:"id"`
	Username    string          `json:"username"`
	Email       string          `json:"email"`
	FirstName   string          `json:"first_name"`
	LastName    string          `json:"last_name"`
	DateJoined  time.Time       `json:"date_joined"`
	LastLogin   *time.Time      `json:"last_login"`
	IsStaff     bool            `json:"is_staff"`
	IsSuperuser bool            `json:"is_superuser"`
	Groups      []string        `json:"groups"`
	Permissions []string        `json:"permissions"`
}

func newUserOut(u *account.User) userOut {
	out := userOut{
		ID: jsonID(u.ID), Username: u.Username, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName,
		DateJoined: time.Unix(u.DateJoined, 0).UTC(), IsStaff: u.IsStaff, IsSuperuser: u.IsSuperuser,
		Groups: orEmpty(u.Groups), Permissions: orEmpty(u.Permissions),
	}
	if u.LastLogin != 0 {
		at := time.Unix(u.LastLogin, 0).UTC()
		out.LastLogin = &at
	}
	return out
}

// maxSafeInteger is the largest number up to which JavaScript knows all whole ones (ECMA-262, Number.MAX_SAFE_INTEGER).
const maxSafeInteger = 1<<53 - 1

// jsonID writes a decimal ID as a number, as Django does, and any other as a string.
func jsonID(id string) json.RawMessage {
	n, err := strconv.ParseInt(id, 10, 64)
	if err == nil && strconv.FormatInt(n, 10) == id && 0 < n && n <= maxSafeInteger {
		return json.RawMessage(id)
	}
	quoted, err := json.Marshal(id)
	if err != nil {
		panic(err) // a string always encodes
	}
	return quoted
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// me tells a program that holds a token only of the permissions that the token may use.
func me(who *auth.Identity) userOut {
	out := newUserOut(who.User)
	if who.Token != nil {
		out.Permissions = slices.DeleteFunc(slices.Clone(out.Permissions), func(p string) bool { return !who.Has(p) })
	}
	return out
}

package storetest

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// alikes are names that people take for the same. In each row the later ones differ from the first by case, by Unicode form, or by
// a character that looks and means the same.
var alikes = [][]string{
	{"ann", "ANN", "aNn", "ａｎｎ", "ⓐⓝⓝ"},
	{"straße", "STRASSE", "strasse", "Straße"},
	{"\u00e9lan", "e\u0301lan", "\u00c9LAN"},
	{"find", "ﬁnd", "FIND"},
	{"kim", "\u212aim"}, // the Kelvin sign
	{"\u03c3\u03c3", "\u03a3\u03a3", "\u03c3\u03c2"},
	{"ann@example.org", "Ann@Example.ORG", "ann＠example.org"},
}

var accountNameCases = []testCase[account.Store]{
	{
		"a username that only looks different is taken", "no two users share a key",
		func(t *testing.T, s account.Store) {
			for _, names := range alikes {
				first := enrolled(t, s, user(names[0]))
				for _, name := range names {
					taken(t, s.Create(t.Context(), user(name)), "username")
					u, err := s.Find(t.Context(), account.CanonicalLogin(name))
					ok(t, err)
					if !sameUser(u, first) {
						t.Fatalf("%q found %+v", name, u)
					}
				}
			}
		},
	},
	{
		"an e-mail address that only looks different is taken", "no two users share a key",
		func(t *testing.T, s account.Store) {
			for n, names := range alikes {
				first := user(string(rune('A' + n)))
				first.Email = names[0]
				enrolled(t, s, first)
				for _, name := range names {
					second := user("second")
					second.Email = name
					taken(t, s.Create(t.Context(), second), "email")
				}
			}
			absent(t, s, "second")
		},
	},
	{
		"another user's e-mail address can't be a username", "uniqueness is across usernames and e-mails (CVE-2022-39229)",
		func(t *testing.T, s account.Store) {
			victim := user("victim")
			victim.Email = "victim@example.org"
			enrolled(t, s, victim)
			taken(t, s.Create(t.Context(), user("Victim@Example.org")), "username")
			eve := enrolled(t, s, user("eve"))
			_, err := s.Change(t.Context(), eve.ID, func(u *account.User) error { u.Username = "VICTIM@example.org"; return nil })
			taken(t, err, "username")
			has(t, s, victim)
			has(t, s, eve)
		},
	},
	{
		"another user's username can't be an e-mail address", "uniqueness is across usernames and e-mails (CVE-2022-39229)",
		func(t *testing.T, s account.Store) {
			victim := enrolled(t, s, user("victim@example.org"))
			second := user("second")
			second.Email = "Victim@example.org"
			taken(t, s.Create(t.Context(), second), "email")
			eve := enrolled(t, s, user("eve"))
			_, err := s.Change(t.Context(), eve.ID, func(u *account.User) error { u.Email = "victim@EXAMPLE.org"; return nil })
			taken(t, err, "email")
			has(t, s, victim)
			has(t, s, eve)
		},
	},
	{
		"a username may be the user's own e-mail address", "a key may be the same user's twice",
		func(t *testing.T, s account.Store) {
			u := user("Ann@example.org")
			u.Email = "ann@Example.org"
			has(t, s, enrolled(t, s, u))
			u = alters(t, s, u.ID, func(u *account.User) { u.Username = "ann" })
			has(t, s, u)
			u = alters(t, s, u.ID, func(u *account.User) { u.Username, u.Email = u.Email, u.Username })
			has(t, s, u)
			u = alters(t, s, u.ID, func(u *account.User) { u.Email = u.Username })
			has(t, s, u)
			enrolled(t, s, user("ann"))
		},
	},
	{
		"any number of users have no e-mail address", "Email may be empty",
		func(t *testing.T, s account.Store) {
			a, b := enrolled(t, s, user("ann")), enrolled(t, s, user("bob"))
			has(t, s, a)
			has(t, s, b)
			absent(t, s, "")
		},
	},
	{
		"a user may change the spelling of their own name", "a key that stays the user's is not taken",
		func(t *testing.T, s account.Store) {
			u := user("ann")
			u.Email = "ann@example.org"
			enrolled(t, s, u)
			has(t, s, alters(t, s, u.ID, func(u *account.User) { u.Username, u.Email = "ANN", "Ann@Example.org" }))
		},
	},
	{
		"a former name is free, and no longer finds the user who had it", "Change moves the keys with the names",
		func(t *testing.T, s account.Store) {
			u := user("ann")
			u.Email = "ann@example.org"
			enrolled(t, s, u)
			u = alters(t, s, u.ID, func(u *account.User) { u.Username, u.Email = "anne", "" })
			has(t, s, u)
			absent(t, s, "ann")
			absent(t, s, "ann@example.org")
			other := user("ann@example.org")
			other.Email = "ann"
			has(t, s, enrolled(t, s, other))
			has(t, s, u)
		},
	},
}

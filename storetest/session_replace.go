package storetest

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

var sessionReplaceCases = []testCase[session.Store]{
	{
		"Replace writes every field", "Replace puts new in the place of old",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := &session.Record{
				ID: old.ID, PublicID: "another", User: "bob", Epoch: "second", Method: session.Intern("token"), Browser: !old.Browser,
				Created: 2_000, ReauthenticatedAt: 2_001, SecondAt: 2_001, Methods: session.Intern("hwk user mfa"),
				Seen: 2_002, Idle: 700, Deadline: 8_000, Expires: 2_702, IP: "2001:db8::1", Agent: session.Intern("curl"), Bound: !old.Bound,
				Binding: `{"key":"another"}`, Values: []byte(`{"a":1}`),
			}
			ok(t, s.Replace(t.Context(), old, next))
			loads(t, s, next)
			lists(t, s, session.Query{}, next)
		},
	},
	{
		"Replace sets a version that was not there before", "Replace sets new.Version",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			seen := map[string]bool{"": true, r.Version: true}
			for range 10 {
				next := changed(r, func(*session.Record) {})
				ok(t, s.Replace(t.Context(), r, next))
				if seen[next.Version] {
					t.Fatalf("version %q was there before", next.Version)
				}
				seen[next.Version] = true
				r = next
			}
		},
	},
	{
		"Replace of a missing session creates none", "only Create creates; ErrNotFound if old is gone",
		func(t *testing.T, s session.Store) {
			r := record(1, "ann")
			r.Version = "1"
			fails(t, s.Replace(t.Context(), r, changed(r, func(*session.Record) {})), session.ErrNotFound)
			fails(t, s.Replace(t.Context(), r, record(2, "ann")), session.ErrNotFound)
			lists(t, s, session.Query{})
		},
	},
	{
		"Replace at another version conflicts and writes nothing", "ErrConflict if it is at another version",
		func(t *testing.T, s session.Store) {
			first := created(t, s, 1, "ann")
			second := changed(first, func(r *session.Record) { r.Values = []byte(`{"second":1}`) })
			ok(t, s.Replace(t.Context(), first, second))
			late := changed(first, func(r *session.Record) { r.Values = []byte(`{"late":1}`) })
			fails(t, s.Replace(t.Context(), first, late), session.ErrConflict)
			late.ID = id(2)
			fails(t, s.Replace(t.Context(), first, late), session.ErrConflict)
			loads(t, s, second)
			gone(t, s, 2)
		},
	},
	{
		"a refused Replace leaves the version of the caller's record alone", "what returns an error has not taken effect",
		func(t *testing.T, s session.Store) {
			first := created(t, s, 1, "ann")
			ok(t, s.Replace(t.Context(), first, changed(first, func(*session.Record) {})))
			late := changed(first, func(r *session.Record) { r.Version = "mine" })
			fails(t, s.Replace(t.Context(), first, late), session.ErrConflict)
			if late.Version != "mine" {
				t.Fatalf("version is %q", late.Version)
			}
		},
	},
	{
		"Replace loses no use in between", "under an unchanged ID, Seen and Expires never go back",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			ok(t, s.Touch(t.Context(), []session.LastUse{{ID: old.ID, At: 1_300, Expires: 1_800}}))
			next := changed(old, func(r *session.Record) { r.Values = []byte(`{"a":1}`) })
			ok(t, s.Replace(t.Context(), old, next)) // a use is not a change, so there is no conflict
			next.Seen, next.Expires = 1_300, 1_800
			loads(t, s, next)
		},
	},
	{
		"after a rotation the new ID is found and the former one is not", "Replace with another ID rotates the ticket",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := changed(old, func(r *session.Record) { r.ID = id(2) })
			ok(t, s.Replace(t.Context(), old, next))
			gone(t, s, 1)
			loads(t, s, next)
			lists(t, s, session.Query{User: "ann"}, next)
		},
	},
	{
		"a rotation stores Seen and Expires as given", "only under an unchanged ID they never go back",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := changed(old, func(r *session.Record) { r.ID, r.Seen, r.Expires = id(2), 900, 950 })
			ok(t, s.Replace(t.Context(), old, next))
			loads(t, s, next)
		},
	},
	{
		"an ID that was rotated away can't be replaced, touched or rotated again", "the old ID is unknown from that step on",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := changed(old, func(r *session.Record) { r.ID = id(2) })
			ok(t, s.Replace(t.Context(), old, next))
			fails(t, s.Replace(t.Context(), old, changed(old, func(*session.Record) {})), session.ErrNotFound)
			fails(t, s.Replace(t.Context(), old, changed(old, func(r *session.Record) { r.ID = id(3) })), session.ErrNotFound)
			ok(t, s.Touch(t.Context(), []session.LastUse{{ID: id(1), At: 1_400, Expires: 1_900}}))
			gone(t, s, 1)
			gone(t, s, 3)
			loads(t, s, next)
		},
	},
	{
		"a rotation to an ID that is taken changes neither session", "ErrExists if the new ID is taken",
		func(t *testing.T, s session.Store) {
			a, b := created(t, s, 1, "ann"), created(t, s, 2, "bob")
			fails(t, s.Replace(t.Context(), a, changed(a, func(r *session.Record) { r.ID = b.ID })), session.ErrExists)
			loads(t, s, a)
			loads(t, s, b)
		},
	},
	{
		"a public ID that is taken is refused and changes neither session", "ErrExists if the public ID is taken",
		func(t *testing.T, s session.Store) {
			a, b := created(t, s, 1, "ann"), created(t, s, 2, "bob")
			fails(t, s.Replace(t.Context(), a, changed(a, func(r *session.Record) { r.PublicID = b.PublicID })), session.ErrExists)
			loads(t, s, a)
			loads(t, s, b)
		},
	},
	{
		"a former public ID is free", "the public ID may change as well",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := changed(old, func(r *session.Record) { r.PublicID = "another" })
			ok(t, s.Replace(t.Context(), old, next))
			lists(t, s, session.Query{PublicID: old.PublicID})
			lists(t, s, session.Query{PublicID: "another"}, next)
			second := record(2, "bob")
			second.PublicID = old.PublicID
			ok(t, s.Create(t.Context(), second))
		},
	},
	{
		"a session that moved to another user belongs to that user", "List and DeleteUser go by the user as it is now",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := changed(old, func(r *session.Record) { r.User = "bob" })
			ok(t, s.Replace(t.Context(), old, next))
			lists(t, s, session.Query{User: "ann"})
			lists(t, s, session.Query{User: "bob"}, next)
			if n, err := s.DeleteUser(t.Context(), "ann", session.ID{}); n != 0 || err != nil {
				t.Fatal(n, err)
			}
			loads(t, s, next)
		},
	},
	{
		"a slow request that saves after the sign-out doesn't restore the session", "a session that was deleted stays deleted (CVE-2025-32441)",
		func(t *testing.T, s session.Store) {
			slow := created(t, s, 1, "ann")
			ok(t, s.Delete(t.Context(), id(1)))
			fails(t, s.Replace(t.Context(), slow, changed(slow, func(r *session.Record) { r.Values = []byte(`{"a":1}`) })), session.ErrNotFound)
			fails(t, s.Replace(t.Context(), slow, changed(slow, func(r *session.Record) { r.ID = id(2) })), session.ErrNotFound)
			ok(t, s.Touch(t.Context(), []session.LastUse{{ID: id(1), At: 1_100, Expires: 1_600}}))
			gone(t, s, 1)
			gone(t, s, 2)
			lists(t, s, session.Query{})
		},
	},
}

package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// manySessions stores 30 sessions, ten of each of three users, in another order than that of their public IDs. It returns them in
// the order of their public IDs.
func manySessions(t testing.TB, s session.Store) []*session.Record {
	t.Helper()
	all := make([]*session.Record, 30)
	for i := range all {
		n := i * 7 % 30
		all[n] = created(t, s, n, []string{"ann", "bob", "cy"}[n%3])
	}
	return all
}

// of returns a user's sessions.
func of(all []*session.Record, user string) []*session.Record {
	return slices.DeleteFunc(slices.Clone(all), func(r *session.Record) bool { return r.User != user })
}

var sessionListCases = []testCase[session.Store]{
	{
		"an empty store lists nothing", "List returns the selected sessions",
		func(t *testing.T, s session.Store) {
			lists(t, s, session.Query{})
			lists(t, s, session.Query{User: "ann", PublicID: "p", After: "a", Limit: 1})
		},
	},
	{
		"a query of zero fields lists everything in the order of public IDs", "zero fields select everything",
		func(t *testing.T, s session.Store) {
			lists(t, s, session.Query{}, manySessions(t, s)...)
		},
	},
	{
		"User selects one user's sessions", "Query.User: only this user's",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			lists(t, s, session.Query{User: "bob"}, of(all, "bob")...)
			lists(t, s, session.Query{User: "dan"})
		},
	},
	{
		"PublicID selects one session", "Query.PublicID: only this one",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			lists(t, s, session.Query{PublicID: all[4].PublicID}, all[4])
			lists(t, s, session.Query{PublicID: "public"})
		},
	},
	{
		"FormerID selects a session by its ID", "Query.FormerID: the one that has this ID",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			lists(t, s, session.Query{FormerID: all[4].ID}, all[4])
			lists(t, s, session.Query{FormerID: id(99)})
			lists(t, s, session.Query{FormerID: all[4].ID, User: all[5].User})
		},
	},
	{
		"FormerID selects a session by each ID before a rotation", "the old ID leads to the session until it ends",
		func(t *testing.T, s session.Store) {
			first := created(t, s, 1, "ann")
			second := changed(first, func(r *session.Record) { r.ID = id(2) })
			ok(t, s.Replace(t.Context(), first, second))
			third := changed(second, func(r *session.Record) { r.ID = id(3) })
			ok(t, s.Replace(t.Context(), second, third))
			other := created(t, s, 4, "ann")
			for n := 1; n <= 3; n++ {
				lists(t, s, session.Query{FormerID: id(n)}, third)
			}
			gone(t, s, 1)
			gone(t, s, 2)
			next := changed(third, func(r *session.Record) { r.Values = nil })
			ok(t, s.Replace(t.Context(), third, next))
			lists(t, s, session.Query{FormerID: id(1)}, next)
			ok(t, s.Delete(t.Context(), id(3)))
			for n := 1; n <= 3; n++ {
				lists(t, s, session.Query{FormerID: id(n)})
			}
			lists(t, s, session.Query{FormerID: id(4)}, other)
		},
	},
	{
		"former IDs of a session don't find the session that replaced it", "with another public ID it is another session",
		func(t *testing.T, s session.Store) {
			first := created(t, s, 1, "ann")
			second := changed(first, func(r *session.Record) { r.ID = id(2) })
			ok(t, s.Replace(t.Context(), first, second))
			bobs := record(3, "bob")
			ok(t, s.Replace(t.Context(), second, bobs))
			lists(t, s, session.Query{FormerID: id(1)})
			lists(t, s, session.Query{FormerID: id(2)})
			lists(t, s, session.Query{FormerID: id(3)}, bobs)
		},
	},
	{
		"a public ID is found for its own user only", "the conditions of a query hold together",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			lists(t, s, session.Query{User: "ann", PublicID: all[3].PublicID}, all[3])
			lists(t, s, session.Query{User: "bob", PublicID: all[3].PublicID})
			lists(t, s, session.Query{PublicID: all[3].PublicID, After: all[3].PublicID})
			lists(t, s, session.Query{PublicID: all[3].PublicID, After: all[2].PublicID}, all[3])
		},
	},
	{
		"After skips the sessions up to the one that it names", "Query.After: only those whose public ID sorts after this one",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			lists(t, s, session.Query{After: all[11].PublicID}, all[12:]...)
			lists(t, s, session.Query{After: all[29].PublicID})
			lists(t, s, session.Query{User: "ann", After: all[11].PublicID}, of(all[12:], "ann")...)
		},
	},
	{
		"After may name a missing session", "paging goes on although the last one of a page has ended",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			ok(t, s.Delete(t.Context(), all[11].ID))
			lists(t, s, session.Query{After: all[11].PublicID}, all[12:]...)
			lists(t, s, session.Query{After: all[11].PublicID + "x"}, all[12:]...)
		},
	},
	{
		"Limit bounds the list", "Query.Limit: at most so many; 0: all",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			lists(t, s, session.Query{Limit: 1}, all[0])
			lists(t, s, session.Query{Limit: 30}, all...)
			lists(t, s, session.Query{Limit: 31}, all...)
			lists(t, s, session.Query{User: "cy", Limit: 3}, of(all, "cy")[:3]...)
		},
	},
	{
		"pages add up to the whole list, each session once", "After and Limit are for paging",
		func(t *testing.T, s session.Store) {
			all := manySessions(t, s)
			for _, user := range []string{"", "bob"} {
				want := all
				if user != "" {
					want = of(all, user)
				}
				after := ""
				for page := range slices.Chunk(want, 4) {
					lists(t, s, session.Query{User: user, After: after, Limit: 4}, page...)
					after = page[len(page)-1].PublicID
				}
				lists(t, s, session.Query{User: user, After: after, Limit: 4})
			}
		},
	},
	{
		"public IDs are in the order of their bytes", "no language's order, which differs from machine to machine",
		func(t *testing.T, s session.Store) {
			texts := []string{"_", "a", "A", "Z", "z", "ä", "~", "-", "0", "10", "9", "é", "ﬁ", "👩", "a b", "ab", "aB"}
			for n, text := range texts {
				r := record(n, "ann")
				r.PublicID = text
				ok(t, s.Create(t.Context(), r))
			}
			slices.SortFunc(texts, strings.Compare)
			for i, after := range texts {
				got, err := s.List(t.Context(), session.Query{After: after})
				ok(t, err)
				var order []string
				for _, r := range got {
					order = append(order, r.PublicID)
				}
				if !slices.Equal(order, texts[i+1:]) {
					t.Fatalf("after %q come %q, want %q", after, order, texts[i+1:])
				}
			}
		},
	},
}

var sessionCopyCases = []testCase[session.Store]{
	{
		"changing a record after Create doesn't change the store", "a Store copies what it is given",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			want := changed(r, func(*session.Record) {})
			r.User, r.Values[0] = "eve", 'X'
			loads(t, s, want)
		},
	},
	{
		"changing a record after Replace doesn't change the store", "a Store copies what it is given",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			next := changed(old, func(r *session.Record) { r.ID = id(2) })
			ok(t, s.Replace(t.Context(), old, next))
			want := changed(next, func(*session.Record) {})
			next.User, next.Values[0], old.Values[0] = "eve", 'X', 'Y'
			loads(t, s, want)
		},
	},
	{
		"changing a loaded record doesn't change the store", "a Store copies what it returns",
		func(t *testing.T, s session.Store) {
			want := created(t, s, 1, "ann")
			got, err := s.Load(t.Context(), want.ID)
			ok(t, err)
			got.User, got.Values[0] = "eve", 'X'
			loads(t, s, want)
		},
	},
	{
		"changing listed records doesn't change the store", "a Store copies what it returns",
		func(t *testing.T, s session.Store) {
			want := created(t, s, 1, "ann")
			got, err := s.List(t.Context(), session.Query{User: "ann"})
			ok(t, err)
			got[0].User, got[0].Values[0] = "eve", 'X'
			lists(t, s, session.Query{User: "ann"}, want)
		},
	},
	{
		"Replace doesn't change the old record", "the caller owns every Record it passes",
		func(t *testing.T, s session.Store) {
			old := created(t, s, 1, "ann")
			before := changed(old, func(*session.Record) {})
			ok(t, s.Replace(t.Context(), old, changed(old, func(r *session.Record) { r.ID, r.User = id(2), "bob" })))
			if !same(old, before) {
				t.Fatalf("old is now %+v", old)
			}
		},
	},
}

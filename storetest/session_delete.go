package storetest

import (
	"context"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
)

// deletes ends the test unless DeleteUser removes n sessions.
func deletes(t testing.TB, s session.Store, user string, except session.ID, want int) {
	t.Helper()
	n, err := s.DeleteUser(t.Context(), user, except)
	ok(t, err)
	if n != want {
		t.Fatalf("deleted %d sessions of %q, want %d", n, user, want)
	}
}

// expirer is what session.Store and throttle.Store have in common.
type expirer interface {
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

// purges ends the test unless DeleteExpired removes n.
func purges(t testing.TB, s expirer, now int64, limit, want int) {
	t.Helper()
	n, err := s.DeleteExpired(t.Context(), now, limit)
	ok(t, err)
	if n != want {
		t.Fatalf("deleted %d, want %d", n, want)
	}
}

// countsLive ends the test if the store counts live rows, and not as many as wanted.
func countsLive(t testing.TB, s any, now int64, want int) {
	t.Helper()
	c, ok := s.(interface {
		CountLive(ctx context.Context, now int64) (int, error)
	})
	if !ok {
		return
	}
	if n, err := c.CountLive(t.Context(), now); n != want || err != nil {
		t.Fatalf("CountLive(%d) = %d, %v; want %d", now, n, err, want)
	}
}

var sessionDeleteCases = []testCase[session.Store]{
	{
		"a deleted session is not found", "Delete removes a session",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			other := created(t, s, 2, "ann")
			ok(t, s.Delete(t.Context(), id(1)))
			gone(t, s, 1)
			lists(t, s, session.Query{}, other)
			lists(t, s, session.Query{PublicID: record(1, "").PublicID})
		},
	},
	{
		"deleting a missing session is no error", "it is no error if there is none",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			ok(t, s.Delete(t.Context(), id(2)))
			ok(t, s.Delete(t.Context(), id(2)))
			ok(t, s.Delete(t.Context(), session.ID{}))
			loads(t, s, r)
		},
	},
	{
		"Remove says whether there was a session", "Remove reports whether it has removed a session; never true if there was none",
		func(t *testing.T, s session.Store) {
			_, tells := s.(removal.Remover[session.ID])
			removes := func(n int, want bool) {
				t.Helper()
				removed, err := removal.Remove(t.Context(), s, id(n))
				ok(t, err)
				if removed != want {
					t.Errorf("Remove of %d reported %v", n, removed)
				}
			}
			created(t, s, 1, "ann")
			removes(1, tells)
			gone(t, s, 1)
			removes(1, false)
			old := created(t, s, 2, "ann")
			next := changed(old, func(r *session.Record) { r.ID = id(3) })
			ok(t, s.Replace(t.Context(), old, next))
			removes(2, false)
			loads(t, s, next)
			removes(3, tells)
		},
	},
	{
		"Remove says so of each of many sessions", "Remove reports … never true if there was none",
		func(t *testing.T, s session.Store) {
			for n := 0; n < 40; n += 2 {
				created(t, s, n, "ann")
			}
			together(40, func(n int) {
				if removed, err := removal.Remove(t.Context(), s, id(n)); err != nil || removed && n%2 == 1 {
					t.Errorf("Remove of %d: %v, %v", n, removed, err)
				}
			})
			lists(t, s, session.Query{})
		},
	},
	{
		"DeleteUser removes all sessions of the user and says how many", "DeleteUser removes all sessions of a user, and returns how many",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			other := created(t, s, 2, "bob")
			created(t, s, 3, "ann")
			deletes(t, s, "ann", session.ID{}, 2)
			gone(t, s, 1)
			gone(t, s, 3)
			loads(t, s, other)
			deletes(t, s, "ann", session.ID{}, 0)
		},
	},
	{
		"DeleteUsers removes all sessions of the users and says how many each had", "DeleteUsers: DeleteUser for each of the users",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			other := created(t, s, 2, "bob")
			created(t, s, 3, "ann")
			created(t, s, 4, "cy")
			for _, want := range []map[string]int{{"ann": 2, "cy": 1}, {}} {
				got, err := removal.Sessions(t.Context(), s, []string{"ann", "dot", "cy", "a\x00b"})
				if ok(t, err); got["ann"] != want["ann"] || got["cy"] != want["cy"] || got["dot"] != 0 {
					t.Fatalf("DeleteUsers removed %v, want %v", got, want)
				}
			}
			lists(t, s, session.Query{}, other)
		},
	},
	{
		"DeleteUser keeps the session with the ID except", "… but the one with the ID except",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			mine := created(t, s, 2, "ann")
			created(t, s, 3, "ann")
			deletes(t, s, "ann", mine.ID, 2)
			lists(t, s, session.Query{}, mine)
		},
	},
	{
		"DeleteUser deletes all if except is missing or another user's session", "… but the one with the ID except",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			other := created(t, s, 2, "bob")
			deletes(t, s, "ann", other.ID, 1)
			created(t, s, 1, "ann")
			deletes(t, s, "ann", id(99), 1)
			lists(t, s, session.Query{}, other)
		},
	},
	{
		"DeleteUser with the zero ID keeps not even a session with that ID", "the zero ID spares none",
		func(t *testing.T, s session.Store) {
			r := record(1, "ann")
			r.ID = session.ID{}
			ok(t, s.Create(t.Context(), r))
			deletes(t, s, "ann", session.ID{}, 1)
		},
	},
	{
		"the sessions of the empty user belong to one user, not to all", "the empty user is a user for DeleteUser",
		func(t *testing.T, s session.Store) {
			ann := created(t, s, 1, "ann")
			created(t, s, 2, "")
			deletes(t, s, "", session.ID{}, 1)
			lists(t, s, session.Query{}, ann)
		},
	},
	{
		"a user's ID is not a pattern", "users are compared byte for byte",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			for _, user := range []string{"%", "a%", "_nn", "*", "ANN", "ann\x00", "an", "ann' OR '1'='1"} {
				deletes(t, s, user, session.ID{}, 0)
			}
			loads(t, s, r)
		},
	},
	{
		"DeleteExpired removes sessions that end now or earlier", "DeleteExpired removes sessions with Expires <= now",
		func(t *testing.T, s session.Store) {
			for n := range 5 {
				r := record(n, "ann")
				r.Expires = int64(100 + n)
				ok(t, s.Create(t.Context(), r))
			}
			purges(t, s, 99, 100, 0)
			purges(t, s, 102, 100, 3)
			gone(t, s, 2)
			all, err := s.List(t.Context(), session.Query{})
			ok(t, err)
			if len(all) != 2 || all[0].Expires != 103 || all[1].Expires != 104 {
				t.Fatalf("left: %+v", all)
			}
		},
	},
	{
		"a store that counts live sessions counts those that end later", "CountLive returns how many have not expired by now",
		func(t *testing.T, s session.Store) {
			countsLive(t, s, 0, 0)
			for n := range 9 {
				r := record(n, "ann")
				r.Expires = int64(100 + n)
				ok(t, s.Create(t.Context(), r))
			}
			countsLive(t, s, 99, 9)
			countsLive(t, s, 100, 8)
			countsLive(t, s, 107, 1)
			countsLive(t, s, 108, 0)
			ok(t, s.Delete(t.Context(), id(8)))
			countsLive(t, s, 100, 7)
			purges(t, s, 104, 3, 3)
			countsLive(t, s, 50, 5)
			countsLive(t, s, 104, 3)
		},
	},
	{
		"DeleteExpired removes at most its limit", "DeleteExpired removes at most limit sessions, and returns how many",
		func(t *testing.T, s session.Store) {
			for n := range 25 {
				created(t, s, n, "ann")
			}
			purges(t, s, 5_000, 0, 0)
			for _, want := range []int{10, 10, 5, 0} {
				purges(t, s, 5_000, 10, want)
			}
			lists(t, s, session.Query{})
		},
	},
	{
		"DeleteExpired uses Expires after the last use and the last change", "Expires is as Touch and Replace left it",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			b := created(t, s, 2, "ann")
			c := created(t, s, 3, "ann")
			touched(t, s, 1, 1_100, 9_000)
			ok(t, s.Replace(t.Context(), b, changed(b, func(r *session.Record) { r.Expires = 9_000 })))
			ok(t, s.Replace(t.Context(), c, changed(c, func(r *session.Record) { r.ID, r.Expires = id(4), 10 })))
			purges(t, s, 1_502, 100, 1)
			gone(t, s, 4)
			purges(t, s, 9_000, 100, 2)
		},
	},
	{
		"a session whose end was moved doesn't hide one that has ended", "Expires is as Touch left it",
		func(t *testing.T, s session.Store) {
			for kept := range 5 {
				for n := range 5 {
					created(t, s, n, "ann")
				}
				touched(t, s, kept, 1_100, 9_000)
				purges(t, s, 1_502, 100, 4)
				purges(t, s, 9_000, 100, 1)
			}
		},
	},
}

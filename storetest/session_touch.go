package storetest

import (
	"slices"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// touched writes one use.
func touched(t testing.TB, s session.Store, n int, at, expires int64) {
	t.Helper()
	ok(t, s.Touch(t.Context(), []session.LastUse{{ID: id(n), At: at, Expires: expires}}))
}

// The sessions of these cases were last seen at 1002 and end at 1502.
var sessionTouchCases = []testCase[session.Store]{
	{
		"Touch moves Seen and Expires, and nothing else", "Touch sets Seen and Expires; it changes no version and no data",
		func(t *testing.T, s session.Store) {
			r, other := created(t, s, 1, "ann"), created(t, s, 2, "ann")
			touched(t, s, 1, 1_100, 1_600)
			loads(t, s, changed(r, func(r *session.Record) { r.Seen, r.Expires = 1_100, 1_600 }))
			loads(t, s, other)
		},
	},
	{
		"Touch creates nothing", "unknown IDs are skipped; only Create creates",
		func(t *testing.T, s session.Store) {
			touched(t, s, 1, 1_100, 1_600)
			gone(t, s, 1)
			lists(t, s, session.Query{})
		},
	},
	{
		"a use that is written after the sign-out doesn't restore the session", "a session that was deleted stays deleted",
		func(t *testing.T, s session.Store) {
			created(t, s, 1, "ann")
			ok(t, s.Delete(t.Context(), id(1)))
			touched(t, s, 1, 1_100, 1_600)
			gone(t, s, 1)
		},
	},
	{
		"a use earlier than the last one changes nothing", "Seen and Expires are set where the use is later than the stored one",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			touched(t, s, 1, 1_001, 9_999)
			loads(t, s, r)
		},
	},
	{
		"a use at the time of the last one changes nothing", "later means later",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			touched(t, s, 1, 1_002, 9_999)
			loads(t, s, r)
		},
	},
	{
		"a use at the moment at which a session ends doesn't restore it", "… and the session had not expired by then; it ends at Expires",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			touched(t, s, 1, 1_502, 2_002)
			touched(t, s, 1, 1_503, 2_003)
			loads(t, s, r)
		},
	},
	{
		"a use one second before the end counts", "the session had not expired by then",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			touched(t, s, 1, 1_501, 2_001)
			loads(t, s, changed(r, func(r *session.Record) { r.Seen, r.Expires = 1_501, 2_001 }))
		},
	},
	{
		"a session that was touched can be replaced at the version it had", "Touch changes no version",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			touched(t, s, 1, 1_100, 1_600)
			ok(t, s.Replace(t.Context(), r, changed(r, func(r *session.Record) { r.ID = id(2) })))
		},
	},
	{
		"a batch writes the uses of known sessions and skips the others", "unknown IDs are skipped",
		func(t *testing.T, s session.Store) {
			a, b := created(t, s, 1, "ann"), created(t, s, 3, "ann")
			ok(t, s.Touch(t.Context(), []session.LastUse{
				{ID: id(3), At: 1_100, Expires: 1_600}, {ID: id(2), At: 1_100, Expires: 1_600}, {ID: id(1), At: 1_200, Expires: 1_700},
			}))
			loads(t, s, changed(a, func(r *session.Record) { r.Seen, r.Expires = 1_200, 1_700 }))
			loads(t, s, changed(b, func(r *session.Record) { r.Seen, r.Expires = 1_100, 1_600 }))
			gone(t, s, 2)
		},
	},
	{
		"of two uses in one batch the later one is stored, in either order", "Touch never goes back",
		func(t *testing.T, s session.Store) {
			a, b := created(t, s, 1, "ann"), created(t, s, 2, "ann")
			ok(t, s.Touch(t.Context(), []session.LastUse{
				{ID: id(1), At: 1_100, Expires: 1_600}, {ID: id(1), At: 1_200, Expires: 1_700},
				{ID: id(2), At: 1_200, Expires: 1_700}, {ID: id(2), At: 1_100, Expires: 1_600},
			}))
			loads(t, s, changed(a, func(r *session.Record) { r.Seen, r.Expires = 1_200, 1_700 }))
			loads(t, s, changed(b, func(r *session.Record) { r.Seen, r.Expires = 1_200, 1_700 }))
		},
	},
	{
		"an empty batch is no error", "Touch records any number of uses",
		func(t *testing.T, s session.Store) {
			r := created(t, s, 1, "ann")
			ok(t, s.Touch(t.Context(), nil))
			ok(t, s.Touch(t.Context(), []session.LastUse{}))
			loads(t, s, r)
		},
	},
	{
		"a batch of a thousand uses is written", "uses come in batches",
		func(t *testing.T, s session.Store) {
			var uses []session.LastUse
			for n := range 1_000 {
				if n%100 == 0 {
					created(t, s, n, "ann")
				}
				uses = append(uses, session.LastUse{ID: id(n), At: 1_100, Expires: 1_600})
			}
			ok(t, s.Touch(t.Context(), uses))
			all, err := s.List(t.Context(), session.Query{})
			ok(t, err)
			if len(all) != 10 {
				t.Fatalf("%d sessions, want 10", len(all))
			}
			for _, r := range all {
				if r.Seen != 1_100 || r.Expires != 1_600 {
					t.Fatalf("not touched: %+v", r)
				}
			}
		},
	},
	{
		"Touch doesn't change the batch", "a Store copies what it is given",
		func(t *testing.T, s session.Store) {
			var uses []session.LastUse
			for n := range 20 {
				created(t, s, n, "ann")
				uses = append(uses, session.LastUse{ID: id(n), At: 1_100, Expires: 1_600})
			}
			before := slices.Clone(uses)
			ok(t, s.Touch(t.Context(), uses))
			if !slices.Equal(uses, before) {
				t.Fatal("the batch has changed")
			}
		},
	},
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-auth/cloakroom/federation"
)

const issuer = "https://accounts.example.com"

// linkOf is the n-th link, with something in every field.
func linkOf(n int, user string) *federation.Link {
	return &federation.Link{
		ID: fmt.Sprint("link", n), User: user, Issuer: issuer, Subject: fmt.Sprint("subject", n), Email: "ann@example.com", Added: 1_000, Used: 1_001,
	}
}

// linked ends the test unless the user has exactly these links, in this order.
func linked(t testing.TB, s federation.Store, user string, want ...*federation.Link) {
	t.Helper()
	got, err := s.List(t.Context(), user)
	ok(t, err)
	if len(got) != len(want) {
		t.Fatalf("%s has %d links, want %d", user, len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("link %d is %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

// originOf is the n-th origin, with something in every field.
func originOf(n int, subject, sid string) *federation.SessionOrigin {
	return &federation.SessionOrigin{
		Session: fmt.Sprint("session", n), Pending: true, User: "ann", Issuer: issuer, Subject: subject, SID: sid, Began: 1_000, Expires: 2_000,
	}
}

// began ends the test unless these are the origins, in any order.
func began(t testing.TB, s federation.Store, issuer, subject, sid string, want ...*federation.SessionOrigin) {
	t.Helper()
	got, err := s.Origins(t.Context(), issuer, subject, sid)
	ok(t, err)
	slices.SortFunc(got, func(a, b *federation.SessionOrigin) int { return strings.Compare(a.Session, b.Session) })
	if len(got) != len(want) {
		t.Fatalf("%d origins of subject %q, SID %q, want %d", len(got), subject, sid, len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("origin %d is %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func logoutOf(n int, subject, sid string, at int64) *federation.Logout {
	return &federation.Logout{Token: codeHash(n), Issuer: issuer, Subject: subject, SID: sid, At: at, Expires: at + 1_000}
}

var linkCases = []testCase[federation.Store]{
	{
		"a link is found and listed as it was added", "Add adds a link; Find and List return it, the earliest first",
		func(t *testing.T, s federation.Store) {
			first, second := linkOf(2, "a\x00n\xffn"), linkOf(1, "a\x00n\xffn")
			second.Issuer, second.Subject, second.Email, second.Used = "https://other.example", "s\x00\xff", "", 0
			ok(t, s.Add(t.Context(), first))
			ok(t, s.Add(t.Context(), second))
			ok(t, s.Add(t.Context(), linkOf(3, "bob")))
			linked(t, s, "a\x00n\xffn", first, second)
			linked(t, s, "eve")
			for _, want := range []*federation.Link{first, second} {
				got, err := s.Find(t.Context(), want.Issuer, want.Subject)
				ok(t, err)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("found %+v\nwant  %+v", got, want)
				}
			}
			for _, key := range [][2]string{{first.Issuer, second.Subject}, {second.Issuer, first.Subject}, {"", ""}, {first.Issuer, ""}, {first.Issuer + "/", first.Subject}, {first.Issuer, "SUBJECT2"}} {
				_, err := s.Find(t.Context(), key[0], key[1])
				fails(t, err, federation.ErrNotFound)
			}
		},
	},
	{
		"an account at a provider is linked once", "Add: ErrExists, of this user or another",
		func(t *testing.T, s federation.Store) {
			ok(t, s.Add(t.Context(), linkOf(1, "ann")))
			for name, change := range map[string]func(l *federation.Link){
				"another ID and user":        func(l *federation.Link) { l.ID, l.User = "other", "bob" },
				"another ID":                 func(l *federation.Link) { l.ID = "other" },
				"the ID, of another subject": func(l *federation.Link) { l.Subject = "other" },
			} {
				l := linkOf(1, "ann")
				change(l)
				if err := s.Add(t.Context(), l); !errors.Is(err, federation.ErrExists) {
					t.Errorf("%s: %v, want ErrExists", name, err)
				}
			}
			elsewhere := linkOf(2, "bob")
			elsewhere.Subject, elsewhere.Issuer = "subject1", "https://other.example"
			ok(t, s.Add(t.Context(), elsewhere))
			linked(t, s, "ann", linkOf(1, "ann"))
			linked(t, s, "bob", elsewhere)
		},
	},
	{
		"of many who add the same account at once one succeeds", "Add is one step",
		func(t *testing.T, s federation.Store) {
			var added atomic.Int32
			together(16, func(i int) {
				l := linkOf(i, fmt.Sprint("user", i))
				l.Subject = "one"
				switch err := s.Add(t.Context(), l); {
				case err == nil:
					added.Add(1)
				case !errors.Is(err, federation.ErrExists):
					t.Error(err)
				}
			})
			if added.Load() != 1 {
				t.Fatalf("added %d times, want once", added.Load())
			}
		},
	},
	{
		"the latest use is kept, and the address", "Use sets when a link was last used, unless a later time is stored",
		func(t *testing.T, s federation.Store) {
			l := linkOf(1, "ann")
			ok(t, s.Add(t.Context(), l))
			ok(t, s.Add(t.Context(), linkOf(2, "ann")))
			ok(t, s.Use(t.Context(), l.ID, 1_005, "new@example.com"))
			l.Used, l.Email = 1_005, "new@example.com"
			linked(t, s, "ann", l, linkOf(2, "ann"))
			ok(t, s.Use(t.Context(), l.ID, 1_003, ""))
			l.Email = ""
			linked(t, s, "ann", l, linkOf(2, "ann"))
			fails(t, s.Use(t.Context(), "other", 1_005, ""), federation.ErrNotFound)
		},
	},
	{
		"a link is removed if enough others are left", "Remove: ErrNotFound, ErrTooFew",
		func(t *testing.T, s federation.Store) {
			ok(t, s.Add(t.Context(), linkOf(1, "ann")))
			ok(t, s.Add(t.Context(), linkOf(2, "ann")))
			ok(t, s.Add(t.Context(), linkOf(3, "bob")))
			fails(t, s.Remove(t.Context(), "ann", "link3", 0), federation.ErrNotFound)
			fails(t, s.Remove(t.Context(), "ann", "link1", 2), federation.ErrTooFew)
			ok(t, s.Remove(t.Context(), "ann", "link1", 1))
			linked(t, s, "ann", linkOf(2, "ann"))
			fails(t, s.Remove(t.Context(), "ann", "link1", 0), federation.ErrNotFound)
			fails(t, s.Remove(t.Context(), "ann", "link2", 1), federation.ErrTooFew)
			ok(t, s.Remove(t.Context(), "ann", "link2", 0))
			linked(t, s, "ann")
			linked(t, s, "bob", linkOf(3, "bob"))
			ok(t, s.Add(t.Context(), linkOf(1, "bob")))
		},
	},
	{
		"of all links that are removed at once as many stay as must", "Remove is one step",
		func(t *testing.T, s federation.Store) {
			for n := range 8 {
				ok(t, s.Add(t.Context(), linkOf(n, "ann")))
			}
			together(8, func(i int) {
				if err := s.Remove(t.Context(), "ann", fmt.Sprint("link", i), 3); err != nil && !errors.Is(err, federation.ErrTooFew) {
					t.Error(err)
				}
			})
			left, err := s.List(t.Context(), "ann")
			ok(t, err)
			if len(left) != 3 {
				t.Fatalf("%d are left, want 3", len(left))
			}
		},
	},
	{
		"DeleteUser deletes the links and origins of one user", "DeleteUser returns how many links there were",
		func(t *testing.T, s federation.Store) {
			other := originOf(2, "one", "sid")
			other.User = "bob"
			ok(t, s.Add(t.Context(), linkOf(1, "ann")))
			ok(t, s.Add(t.Context(), linkOf(2, "ann")))
			ok(t, s.Add(t.Context(), linkOf(3, "bob")))
			ok(t, s.AddOrigin(t.Context(), originOf(1, "one", "sid")))
			ok(t, s.AddOrigin(t.Context(), other))
			for _, want := range []int{2, 0} {
				n, err := s.DeleteUser(t.Context(), "ann")
				ok(t, err)
				if n != want {
					t.Fatalf("deleted %d, want %d", n, want)
				}
			}
			linked(t, s, "ann")
			linked(t, s, "bob", linkOf(3, "bob"))
			began(t, s, issuer, "one", "", other)
		},
	},
	{
		"origins are found by subject, or by the session at the provider", "Origins: those of a subject, or if it is \"\" those with a SID",
		func(t *testing.T, s federation.Store) {
			a, b, c := originOf(1, "one", "sid1"), originOf(2, "one", ""), originOf(3, "two", "sid1")
			b.Pending, b.User = false, "b\x00\xff"
			elsewhere := originOf(4, "one", "sid1")
			elsewhere.Issuer = "https://other.example"
			for _, o := range []*federation.SessionOrigin{a, b, c, elsewhere} {
				ok(t, s.AddOrigin(t.Context(), o))
			}
			began(t, s, issuer, "one", "", a, b)
			began(t, s, issuer, "one", "sid1", a, b)
			began(t, s, issuer, "", "sid1", a, c)
			began(t, s, issuer, "", "")
			began(t, s, issuer, "three", "sid1")
			began(t, s, "https://other.example", "one", "", elsewhere)
			got, err := s.Origin(t.Context(), "session2")
			ok(t, err)
			if !reflect.DeepEqual(got, b) {
				t.Fatalf("the origin is %+v\nwant %+v", got, b)
			}
			_, err = s.Origin(t.Context(), "session9")
			fails(t, err, federation.ErrNotFound)
		},
	},
	{
		"a session has one origin", "AddOrigin replaces the one of the same session",
		func(t *testing.T, s federation.Store) {
			ok(t, s.AddOrigin(t.Context(), originOf(1, "one", "sid1")))
			again := &federation.SessionOrigin{Session: "session1", User: "bob", Issuer: "https://other.example", Subject: "two", SID: "sid2", Began: 5, Expires: 6}
			ok(t, s.AddOrigin(t.Context(), again))
			began(t, s, issuer, "one", "")
			began(t, s, again.Issuer, "", "sid2", again)
		},
	},
	{
		"a logout is noted once, and a repeat is told what was noted", "Note returns the logout of then",
		func(t *testing.T, s federation.Store) {
			first := logoutOf(1, "one", "sid1", 1_000)
			for i, l := range []*federation.Logout{first, logoutOf(1, "two", "sid2", 1_500)} {
				got, err := s.Note(t.Context(), l)
				ok(t, err)
				if !reflect.DeepEqual(got, first) {
					t.Fatalf("call %d: %+v\nwant %+v", i+1, got, first)
				}
			}
		},
	},
	{
		"of many who note a logout at once all are told the same", "Note is one step",
		func(t *testing.T, s federation.Store) {
			var at [16]atomic.Int64
			together(16, func(i int) {
				got, err := s.Note(t.Context(), logoutOf(1, "one", "", int64(1_000+i)))
				if err != nil {
					t.Error(err)
					return
				}
				at[i].Store(got.At)
			})
			for i := range at {
				if at[i].Load() != at[0].Load() {
					t.Fatalf("one was told %d, another %d", at[0].Load(), at[i].Load())
				}
			}
		},
	},
	{
		"a logout is of a session, of a subject, or of both", "LoggedOut returns the latest time at which an issuer was noted",
		func(t *testing.T, s federation.Store) {
			for _, l := range []*federation.Logout{
				logoutOf(1, "one", "", 1_000), logoutOf(2, "", "sid1", 1_100), logoutOf(3, "two", "sid2", 1_200), logoutOf(4, "one", "", 900),
			} {
				_, err := s.Note(t.Context(), l)
				ok(t, err)
			}
			for _, c := range []struct {
				issuer, subject, sid string
				want                 int64
			}{
				{issuer, "one", "", 1_000}, {issuer, "one", "sid1", 1_100}, {issuer, "one", "sid2", 1_200}, {issuer, "three", "sid1", 1_100},
				{issuer, "two", "", 1_200}, {issuer, "three", "sid2", 1_200}, {issuer, "three", "", 0}, {issuer, "", "", 0}, {issuer, "three", "sid3", 0},
				{"https://other.example", "one", "sid1", 0},
			} {
				at, err := s.LoggedOut(t.Context(), c.issuer, c.subject, c.sid)
				ok(t, err)
				if at != c.want {
					t.Errorf("LoggedOut(%q, %q, %q) = %d, want %d", c.issuer, c.subject, c.sid, at, c.want)
				}
			}
		},
	},
	{
		"what has expired is deleted, and no more than the limit at a time; links stay", "DeleteExpired deletes at most limit",
		func(t *testing.T, s federation.Store) {
			ok(t, s.Add(t.Context(), linkOf(1, "ann")))
			for n := range 5 {
				o := originOf(n, "one", "")
				o.Expires = int64(1_001 + n)
				ok(t, s.AddOrigin(t.Context(), o))
				_, err := s.Note(t.Context(), logoutOf(n, "one", "", int64(1+n)))
				ok(t, err)
			}
			deletes := func(now int64, limit, want int) {
				t.Helper()
				n, err := s.DeleteExpired(t.Context(), now, limit)
				ok(t, err)
				if n != want {
					t.Fatalf("at %d with the limit %d: deleted %d, want %d", now, limit, n, want)
				}
			}
			deletes(1_000, 100, 0)
			deletes(1_003, 0, 0)
			deletes(1_003, -1, 0)
			deletes(1_003, 4, 4)
			deletes(1_003, 4, 2)
			deletes(1_003, 4, 0)
			left, err := s.Origins(t.Context(), issuer, "one", "")
			ok(t, err)
			at, err := s.LoggedOut(t.Context(), issuer, "one", "")
			ok(t, err)
			if len(left) != 2 || at != 5 {
				t.Fatalf("%d origins are left and the latest logout is of %d; want 2 and 5", len(left), at)
			}
			deletes(9_999, 100, 4)
			linked(t, s, "ann", linkOf(1, "ann"))
		},
	},
	{
		"the records passed and returned are the caller's own", "a Store copies",
		func(t *testing.T, s federation.Store) {
			l, o, e := linkOf(1, "ann"), originOf(1, "one", "sid"), logoutOf(1, "one", "", 1_000)
			ok(t, s.Add(t.Context(), l))
			ok(t, s.AddOrigin(t.Context(), o))
			_, err := s.Note(t.Context(), e)
			ok(t, err)
			l.User, o.SID, e.At = "x", "x", 9_000
			got, err := s.Find(t.Context(), issuer, "subject1")
			ok(t, err)
			got.Email = "x"
			origin, err := s.Origin(t.Context(), "session1")
			ok(t, err)
			origin.User = "x"
			linked(t, s, "ann", linkOf(1, "ann"))
			began(t, s, issuer, "one", "", originOf(1, "one", "sid"))
			at, err := s.LoggedOut(t.Context(), issuer, "one", "")
			ok(t, err)
			if at != 1_000 {
				t.Fatalf("the logout is of %d, want 1000", at)
			}
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "each method is done whole or not at all",
		func(t *testing.T, s federation.Store) {
			ok(t, s.Add(t.Context(), linkOf(1, "ann")))
			ok(t, s.AddOrigin(t.Context(), originOf(1, "one", "sid")))
			for name, call := range map[string]func(ctx context.Context) error{
				"Add":           func(ctx context.Context) error { return s.Add(ctx, linkOf(2, "ann")) },
				"Find":          func(ctx context.Context) error { _, err := s.Find(ctx, issuer, "subject1"); return err },
				"List":          func(ctx context.Context) error { _, err := s.List(ctx, "ann"); return err },
				"Use":           func(ctx context.Context) error { return s.Use(ctx, "link1", 5_000, "x") },
				"Remove":        func(ctx context.Context) error { return s.Remove(ctx, "ann", "link1", 0) },
				"DeleteUser":    func(ctx context.Context) error { _, err := s.DeleteUser(ctx, "ann"); return err },
				"AddOrigin":     func(ctx context.Context) error { return s.AddOrigin(ctx, originOf(2, "one", "sid")) },
				"Origins":       func(ctx context.Context) error { _, err := s.Origins(ctx, issuer, "one", ""); return err },
				"no Origins":    func(ctx context.Context) error { _, err := s.Origins(ctx, issuer, "", ""); return err },
				"Origin":        func(ctx context.Context) error { _, err := s.Origin(ctx, "session1"); return err },
				"Note":          func(ctx context.Context) error { _, err := s.Note(ctx, logoutOf(1, "one", "", 1_000)); return err },
				"LoggedOut":     func(ctx context.Context) error { _, err := s.LoggedOut(ctx, issuer, "one", ""); return err },
				"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, 9_000, 9); return err },
			} {
				if err := call(ended()); err == nil || errors.Is(err, federation.ErrNotFound) || errors.Is(err, federation.ErrExists) || errors.Is(err, federation.ErrTooFew) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			linked(t, s, "ann", linkOf(1, "ann"))
			began(t, s, issuer, "one", "", originOf(1, "one", "sid"))
			at, err := s.LoggedOut(t.Context(), issuer, "one", "")
			ok(t, err)
			if at != 0 {
				t.Fatal("a logout is noted")
			}
		},
	},
}

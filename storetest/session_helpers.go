package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// id returns the n-th of all session IDs.
func id(n int) session.ID { return sha256.Sum256(fmt.Append(nil, n)) }

// record returns a session with the n-th ID, the n-th public ID and something in every field.
func record(n int, user string) *session.Record {
	return &session.Record{
		ID: id(n), PublicID: fmt.Sprintf("public%06d", n), User: user, Epoch: "first", Method: session.Intern("password"), Browser: n%2 == 1,
		Created: 1_000, ReauthenticatedAt: 1_001, SecondAt: 1_000, Methods: session.Intern("pwd otp"), Seen: 1_002, Idle: 500, Deadline: 9_000, Expires: 1_502,
		IP: "192.0.2.1", Agent: session.Intern("Mozilla/5.0"), Bound: n%3 == 1, Binding: fmt.Sprintf(`{"key":%d}`, n), Values: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

// created stores a new session and returns it as it was given.
func created(t testing.TB, s session.Store, n int, user string) *session.Record {
	t.Helper()
	r := record(n, user)
	ok(t, s.Create(t.Context(), r))
	return r
}

// changed returns a deep copy of a record.
func changed(r *session.Record, change func(r *session.Record)) *session.Record {
	next := *r
	next.Values = bytes.Clone(r.Values)
	change(&next)
	return &next
}

// same reports whether two records are equal in every field. Nil values equal empty values.
func same(a, b *session.Record) bool {
	x, y := *a, *b
	x.Values, y.Values = nil, nil
	return reflect.DeepEqual(x, y) && bytes.Equal(a.Values, b.Values)
}

// loads ends the test unless the store has exactly this session.
func loads(t testing.TB, s session.Store, want *session.Record) {
	t.Helper()
	got, err := s.Load(t.Context(), want.ID)
	ok(t, err)
	if !same(got, want) {
		t.Fatalf("loaded %+v\nwant   %+v", got, want)
	}
}

// gone ends the test if the store has the session.
func gone(t testing.TB, s session.Store, n int) {
	t.Helper()
	if r, err := s.Load(t.Context(), id(n)); err == nil {
		t.Fatalf("session is there: %+v", r)
	} else {
		fails(t, err, session.ErrNotFound)
	}
}

// lists ends the test unless the query finds exactly these sessions in this order.
func lists(t testing.TB, s session.Store, q session.Query, want ...*session.Record) {
	t.Helper()
	got, err := s.List(t.Context(), q)
	ok(t, err)
	if len(got) != len(want) {
		t.Fatalf("%+v found %d sessions, want %d", q, len(got), len(want))
	}
	for i := range got {
		if !same(got[i], want[i]) {
			t.Fatalf("%+v found at %d %+v\nwant %+v", q, i, got[i], want[i])
		}
	}
}

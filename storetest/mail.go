package storetest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/mail"
)

// queued is a message with something in every field.
func queued(id string, due int64) *mail.Queued {
	return &mail.Queued{ID: id, Body: []byte{0, 1, 255}, Created: 1_000, Due: due, Expires: 9_000, Tries: 2}
}

// outboxHas ends the test unless the store has exactly these messages, in this order.
func outboxHas(t testing.TB, s mail.Store, want ...*mail.Queued) {
	t.Helper()
	got, err := s.List(t.Context(), "", 100)
	ok(t, err)
	if len(got) != len(want) {
		t.Fatalf("the outbox has %d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("message %d is %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

var mailCases = []testCase[mail.Store]{
	{
		"a message is listed as it was put", "Put adds a message; List is in the order of IDs",
		func(t *testing.T, s mail.Store) {
			b, a := queued("b", 1_000), queued("a\x00\xff", 2_000)
			ok(t, s.Put(t.Context(), b))
			ok(t, s.Put(t.Context(), a))
			outboxHas(t, s, a, b)
			for after, want := range map[string]string{"": "a\x00\xff", "a\x00\xff": "b"} {
				page, err := s.List(t.Context(), after, 1)
				ok(t, err)
				if len(page) != 1 || page[0].ID != want {
					t.Fatalf("after %q: %+v, want %q", after, page, want)
				}
			}
			for _, limit := range []int{0, -1} {
				if page, err := s.List(t.Context(), "", limit); err != nil || len(page) != 0 {
					t.Fatalf("with the limit %d: %d messages, %v", limit, len(page), err)
				}
			}
		},
	},
	{
		"Put refuses an ID that is stored, and changes nothing", "Put: ErrExists",
		func(t *testing.T, s mail.Store) {
			ok(t, s.Put(t.Context(), queued("a", 1_000)))
			fails(t, s.Put(t.Context(), queued("a", 2_000)), mail.ErrExists)
			outboxHas(t, s, queued("a", 1_000))
		},
	},
	{
		"what has been due longest is claimed first, and nothing before it is due", "Claim returns the message that has been due longest",
		func(t *testing.T, s mail.Store) {
			for id, due := range map[string]int64{"a": 1_003, "b": 1_001, "c": 1_002, "d": 1_004} {
				ok(t, s.Put(t.Context(), queued(id, due)))
			}
			for _, id := range []string{"b", "c", "a"} {
				got, err := s.Claim(t.Context(), 1_003, 5_000)
				ok(t, err)
				want := queued(id, 5_000)
				want.Tries = 3
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("claimed %+v\nwant    %+v", got, want)
				}
			}
			_, err := s.Claim(t.Context(), 1_003, 5_000)
			fails(t, err, mail.ErrNotFound)
			got, err := s.Claim(t.Context(), 5_000, 6_000)
			ok(t, err)
			if got.ID != "d" {
				t.Fatalf("claimed %q, want d", got.ID)
			}
		},
	},
	{
		"of many who claim at once each gets another message", "Claim: of several callers at the same time one gets it",
		func(t *testing.T, s mail.Store) {
			want := map[string]int{}
			for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
				ok(t, s.Put(t.Context(), queued(id, 1_000)))
				want[id] = 1
			}
			var mu sync.Mutex
			claimed := map[string]int{}
			together(12, func(int) {
				got, err := s.Claim(t.Context(), 1_000, 5_000)
				if errors.Is(err, mail.ErrNotFound) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				claimed[got.ID]++
			})
			for id, n := range claimed {
				if n != 1 {
					t.Errorf("%q was claimed %d times at once", id, n)
				}
			}
			// A caller may have met only messages that others were claiming; it finds the rest at its next call.
			for len(claimed) < len(want) {
				got, err := s.Claim(t.Context(), 1_000, 5_000)
				ok(t, err)
				if claimed[got.ID]++; claimed[got.ID] > 1 {
					t.Fatalf("%q was claimed twice", got.ID)
				}
			}
		},
	},
	{
		"Postpone sets when a message is due, and creates none", "Postpone: it is no error if there is no such message",
		func(t *testing.T, s mail.Store) {
			ok(t, s.Put(t.Context(), queued("a", 1_000)))
			ok(t, s.Postpone(t.Context(), "a", 3_000))
			ok(t, s.Postpone(t.Context(), "b", 3_000))
			outboxHas(t, s, queued("a", 3_000))
		},
	},
	{
		"a body is replaced only if it still is what it was", "Replace reports whether it did",
		func(t *testing.T, s mail.Store) {
			ok(t, s.Put(t.Context(), queued("a", 1_000)))
			ok(t, s.Put(t.Context(), queued("b", 1_000)))
			replaces := func(id string, old, new []byte, want bool) {
				t.Helper()
				did, err := s.Replace(t.Context(), id, old, new)
				ok(t, err)
				if did != want {
					t.Fatalf("Replace returned %v, want %v", did, want)
				}
			}
			replaces("a", []byte("other"), []byte("new"), false)
			replaces("c", []byte{0, 1, 255}, []byte("new"), false)
			replaces("a", []byte{0, 1, 255}, []byte("new"), true)
			a := queued("a", 1_000)
			a.Body = []byte("new")
			outboxHas(t, s, a, queued("b", 1_000))
		},
	},
	{
		"a deleted message is gone, and the others are not", "Delete: it is no error if there is no such message",
		func(t *testing.T, s mail.Store) {
			ok(t, s.Put(t.Context(), queued("a", 1_000)))
			ok(t, s.Put(t.Context(), queued("b", 1_000)))
			ok(t, s.Delete(t.Context(), "a"))
			ok(t, s.Delete(t.Context(), "a"))
			outboxHas(t, s, queued("b", 1_000))
		},
	},
	{
		"the messages passed and returned are the caller's own", "a Store copies",
		func(t *testing.T, s mail.Store) {
			q := queued("a", 1_000)
			ok(t, s.Put(t.Context(), q))
			q.Body[0] = 'x'
			listed, err := s.List(t.Context(), "", 1)
			ok(t, err)
			listed[0].Body[0] = 'y'
			outboxHas(t, s, queued("a", 1_000))
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "each method is done whole or not at all",
		func(t *testing.T, s mail.Store) {
			q := queued("a", 1_000)
			ok(t, s.Put(t.Context(), q))
			for name, call := range map[string]func(ctx context.Context) error{
				"Put":      func(ctx context.Context) error { return s.Put(ctx, queued("b", 1_000)) },
				"Claim":    func(ctx context.Context) error { _, err := s.Claim(ctx, 1_000, 5_000); return err },
				"Postpone": func(ctx context.Context) error { return s.Postpone(ctx, "a", 5_000) },
				"Replace":  func(ctx context.Context) error { _, err := s.Replace(ctx, "a", q.Body, []byte("new")); return err },
				"Delete":   func(ctx context.Context) error { return s.Delete(ctx, "a") },
				"List":     func(ctx context.Context) error { _, err := s.List(ctx, "", 1); return err },
			} {
				if err := call(ended()); err == nil || errors.Is(err, mail.ErrNotFound) || errors.Is(err, mail.ErrExists) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			outboxHas(t, s, q)
		},
	},
}

var mailPersistenceCases = []testCase[Stores]{
	{
		"messages that wait are there after a restart, and deleted ones are not", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			ok(t, s.Mail.Put(t.Context(), queued("a", 1_000)))
			ok(t, s.Mail.Put(t.Context(), queued("b", 1_000)))
			s = s.Reopen(t)
			ok(t, s.Mail.Delete(t.Context(), "b"))
			_, err := s.Mail.Claim(t.Context(), 1_000, 5_000)
			ok(t, err)
			s = s.Reopen(t)
			a := queued("a", 5_000)
			a.Tries = 3
			outboxHas(t, s.Mail, a)
		},
	},
}

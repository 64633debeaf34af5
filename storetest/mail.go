package storetest

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
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
	{
		"a secret is found as it was put, and spent once", "PutSecret, FindSecret; SpendSecret: of several calls at the same time one succeeds",
		func(t *testing.T, s mail.Store) {
			first, second := mailSecret(1, 2_000), mailSecret(2, 2_000)
			second.User, second.Epoch, second.Box = "", "", nil
			ok(t, s.PutSecret(t.Context(), first))
			ok(t, s.PutSecret(t.Context(), second))
			fails(t, s.PutSecret(t.Context(), mailSecret(1, 3_000)), mail.ErrExists)
			findsSecret(t, s, first)
			findsSecret(t, s, second)
			var spent atomic.Int32
			together(16, func(int) {
				switch err := s.SpendSecret(t.Context(), first.Hash); {
				case err == nil:
					spent.Add(1)
				case !errors.Is(err, mail.ErrNotFound):
					t.Error(err)
				}
			})
			if spent.Load() != 1 {
				t.Fatalf("spent %d times, want once", spent.Load())
			}
			_, err := s.FindSecret(t.Context(), first.Hash)
			fails(t, err, mail.ErrNotFound)
			findsSecret(t, s, second)
		},
	},
	{
		"the secrets of a user that are of a kind are listed, and deleted together, and no others", "SecretsOf, DeleteSecretsOf",
		func(t *testing.T, s mail.Store) {
			var all []*mail.LinkSecret
			for n, of := range [][2]string{{"1", "change"}, {"1", "change"}, {"1", "revert"}, {"11", "change"}, {"", "change"}} {
				secret := mailSecret(n, 2_000)
				secret.User, secret.Kind = of[0], of[1]
				all = append(all, secret)
				ok(t, s.PutSecret(t.Context(), secret))
			}
			found, err := s.SecretsOf(t.Context(), "1", "change")
			ok(t, err)
			slices.SortFunc(found, func(a, b *mail.LinkSecret) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
			want := slices.Clone(all[:2])
			slices.SortFunc(want, func(a, b *mail.LinkSecret) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
			if !reflect.DeepEqual(found, want) {
				t.Fatalf("listed %+v\nwant   %+v", found, want)
			}
			for range 2 {
				ok(t, s.DeleteSecretsOf(t.Context(), "1", "change"))
			}
			for n, secret := range all {
				if n > 1 {
					findsSecret(t, s, secret)
					continue
				}
				_, err := s.FindSecret(t.Context(), secret.Hash)
				fails(t, err, mail.ErrNotFound)
			}
			found, err = s.SecretsOf(t.Context(), "1", "change")
			ok(t, err)
			if len(found) != 0 {
				t.Fatalf("listed %+v after all were deleted", found)
			}
		},
	},
	{
		"secrets that have expired are deleted, and no more than the limit at a time", "DeleteSecrets deletes at most limit",
		func(t *testing.T, s mail.Store) {
			for n := range 5 {
				ok(t, s.PutSecret(t.Context(), mailSecret(n, int64(1_001+n))))
			}
			for _, step := range []struct {
				now         int64
				limit, want int
			}{{1_000, 9, 0}, {1_003, 0, 0}, {1_003, -1, 0}, {1_003, 2, 2}, {1_003, 2, 1}, {1_003, 2, 0}} {
				n, err := s.DeleteSecrets(t.Context(), step.now, step.limit)
				ok(t, err)
				if n != step.want {
					t.Fatalf("%+v: deleted %d", step, n)
				}
			}
			findsSecret(t, s, mailSecret(3, 1_004))
		},
	},
	{
		"secrets passed and returned are the caller's own, and nothing is done for a context that has ended", "a Store copies; each method is done whole or not at all",
		func(t *testing.T, s mail.Store) {
			secret := mailSecret(1, 2_000)
			ok(t, s.PutSecret(t.Context(), secret))
			secret.Box[0] = 'x'
			got, err := s.FindSecret(t.Context(), secret.Hash)
			ok(t, err)
			got.Box[0] = 'y'
			for name, call := range map[string]func(ctx context.Context) error{
				"PutSecret":       func(ctx context.Context) error { return s.PutSecret(ctx, mailSecret(2, 2_000)) },
				"FindSecret":      func(ctx context.Context) error { _, err := s.FindSecret(ctx, secret.Hash); return err },
				"SpendSecret":     func(ctx context.Context) error { return s.SpendSecret(ctx, secret.Hash) },
				"SecretsOf":       func(ctx context.Context) error { _, err := s.SecretsOf(ctx, secret.User, secret.Kind); return err },
				"DeleteSecretsOf": func(ctx context.Context) error { return s.DeleteSecretsOf(ctx, secret.User, secret.Kind) },
				"DeleteSecrets":   func(ctx context.Context) error { _, err := s.DeleteSecrets(ctx, 9_000, 9); return err },
			} {
				if err := call(ended()); err == nil || errors.Is(err, mail.ErrNotFound) || errors.Is(err, mail.ErrExists) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			findsSecret(t, s, mailSecret(1, 2_000))
			_, err = s.FindSecret(t.Context(), mailSecret(2, 0).Hash)
			fails(t, err, mail.ErrNotFound)
		},
	},
	{
		"an invitation is found by its hash, and replaces an earlier one of its address", "PutInvitation deletes an earlier one with the same Login",
		func(t *testing.T, s mail.Store) {
			first, second := invitation(1, 2_000), invitation(2, 2_000)
			second.Groups, second.Language, second.Inviter, second.Printed = nil, "", "", false
			ok(t, s.PutInvitation(t.Context(), first))
			ok(t, s.PutInvitation(t.Context(), second))
			invited(t, s, first, second)
			for _, want := range []*mail.Invitation{first, second} {
				got, err := s.FindInvitation(t.Context(), want.Hash)
				ok(t, err)
				loaded, err := s.LoadInvitation(t.Context(), want.ID)
				ok(t, err)
				if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(loaded, want) {
					t.Fatalf("found %+v\nand   %+v\nwant  %+v", got, loaded, want)
				}
			}
			again := invitation(3, 3_000)
			again.Login = first.Login
			ok(t, s.PutInvitation(t.Context(), again))
			invited(t, s, second, again)
			_, err := s.FindInvitation(t.Context(), first.Hash)
			fails(t, err, mail.ErrNotFound)
			_, err = s.LoadInvitation(t.Context(), first.ID)
			fails(t, err, mail.ErrNotFound)
		},
	},
	{
		"an invitation is renewed once, and not after it was deleted", "RenewInvitation: if its hash still is old",
		func(t *testing.T, s mail.Store) {
			first, other := invitation(1, 2_000), invitation(4, 2_000)
			ok(t, s.PutInvitation(t.Context(), first))
			ok(t, s.PutInvitation(t.Context(), other))
			var renewed atomic.Int32
			together(8, func(n int) {
				next := *first
				next.Hash, next.Inviter, next.Created, next.Expires = codeHash(100+n), "another", 1_500, 9_000
				switch err := s.RenewInvitation(t.Context(), first.Hash, &next); {
				case err == nil:
					renewed.Add(1)
				case !errors.Is(err, mail.ErrNotFound):
					t.Error(err)
				}
			})
			all, err := s.Invitations(t.Context(), "", 9)
			ok(t, err)
			if renewed.Load() != 1 || len(all) != 2 {
				t.Fatalf("renewed %d times, and there are %d", renewed.Load(), len(all))
			}
			want := *first
			want.Hash, want.Inviter, want.Created, want.Expires = all[0].Hash, "another", 1_500, 9_000
			invited(t, s, &want, other)
			if n, err := s.DeleteInvitations(t.Context(), mail.InvitationQuery{ID: first.ID}); err != nil || n != 1 {
				t.Fatalf("deleted %d, %v", n, err)
			}
			fails(t, s.RenewInvitation(t.Context(), want.Hash, first), mail.ErrNotFound)
			invited(t, s, other)
		},
	},
	{
		"invitations are deleted by ID, by address, by inviter and by hash, and no others", "DeleteInvitations deletes the selected invitations",
		func(t *testing.T, s mail.Store) {
			var all []*mail.Invitation
			for n := range 6 {
				i := invitation(n, 2_000)
				i.Inviter = []string{"", "", "7", "7", "77", "77"}[n]
				all = append(all, i)
				ok(t, s.PutInvitation(t.Context(), i))
			}
			for _, row := range []struct {
				of   mail.InvitationQuery
				n    int
				left []*mail.Invitation
			}{
				{mail.InvitationQuery{}, 0, all}, {mail.InvitationQuery{ID: all[0].Login}, 0, all}, {mail.InvitationQuery{ID: all[0].ID}, 1, all[1:]},
				{mail.InvitationQuery{ID: all[0].ID}, 0, all[1:]}, {mail.InvitationQuery{Login: all[1].Login}, 1, all[2:]}, {mail.InvitationQuery{Inviters: []string{"", "6", "7"}}, 2, all[4:]},
				{mail.InvitationQuery{Hash: all[0].Hash}, 0, all[4:]}, {mail.InvitationQuery{Hash: all[4].Hash}, 1, all[5:]},
			} {
				n, err := s.DeleteInvitations(t.Context(), row.of)
				ok(t, err)
				if n != row.n {
					t.Fatalf("%+v: deleted %d, want %d", row.of, n, row.n)
				}
				invited(t, s, row.left...)
			}
		},
	},
	{
		"invitations that have expired are deleted, and no more than the limit at a time", "DeleteExpiredInvitations deletes at most limit",
		func(t *testing.T, s mail.Store) {
			for n := range 5 {
				ok(t, s.PutInvitation(t.Context(), invitation(n, int64(1_001+n))))
			}
			for _, step := range []struct {
				now         int64
				limit, want int
			}{{1_000, 9, 0}, {1_003, 0, 0}, {1_003, -1, 0}, {1_003, 2, 2}, {1_003, 2, 1}, {1_003, 2, 0}} {
				n, err := s.DeleteExpiredInvitations(t.Context(), step.now, step.limit)
				ok(t, err)
				if n != step.want {
					t.Fatalf("%+v: deleted %d", step, n)
				}
			}
			invited(t, s, invitation(3, 1_004), invitation(4, 1_005))
		},
	},
	{
		"invitations passed and returned are the caller's own, and nothing is done for a context that has ended", "a Store copies; each method is done whole or not at all",
		func(t *testing.T, s mail.Store) {
			i := invitation(1, 2_000)
			ok(t, s.PutInvitation(t.Context(), i))
			i.Groups[0] = "x"
			got, err := s.FindInvitation(t.Context(), i.Hash)
			ok(t, err)
			got.Groups[0] = "y"
			for name, call := range map[string]func(ctx context.Context) error{
				"PutInvitation":   func(ctx context.Context) error { return s.PutInvitation(ctx, invitation(2, 2_000)) },
				"RenewInvitation": func(ctx context.Context) error { return s.RenewInvitation(ctx, i.Hash, invitation(1, 3_000)) },
				"FindInvitation":  func(ctx context.Context) error { _, err := s.FindInvitation(ctx, i.Hash); return err },
				"LoadInvitation":  func(ctx context.Context) error { _, err := s.LoadInvitation(ctx, i.ID); return err },
				"Invitations":     func(ctx context.Context) error { _, err := s.Invitations(ctx, "", 1); return err },
				"DeleteInvitations": func(ctx context.Context) error {
					_, err := s.DeleteInvitations(ctx, mail.InvitationQuery{ID: i.ID})
					return err
				},
				"DeleteExpiredInvitations": func(ctx context.Context) error {
					_, err := s.DeleteExpiredInvitations(ctx, 9_000, 9)
					return err
				},
			} {
				if err := call(ended()); err == nil || errors.Is(err, mail.ErrNotFound) {
					t.Errorf("%s returned %v, want the end of the context", name, err)
				}
			}
			invited(t, s, invitation(1, 2_000))
			if page, err := s.Invitations(t.Context(), i.ID, 9); err != nil || len(page) != 0 {
				t.Errorf("after the last there are %d, %v", len(page), err)
			}
			if page, err := s.Invitations(t.Context(), "", 0); err != nil || len(page) != 0 {
				t.Errorf("a page of none has %d, %v", len(page), err)
			}
		},
	},
}

// invitation is the n-th invitation, with something in every field.
func invitation(n int, expires int64) *mail.Invitation {
	name := string(rune('a' + n))
	return &mail.Invitation{
		ID: name, Address: name + "@Example.com\x00\xff", Login: name + "@example.com", Groups: []string{"editors", "a\"b"}, Language: "de", Inviter: "7",
		Printed: true, Hash: codeHash(n), Created: 1_000, Expires: expires,
	}
}

// invited ends the test unless the store has exactly these invitations.
func invited(t testing.TB, s mail.Store, want ...*mail.Invitation) {
	t.Helper()
	got, err := s.Invitations(t.Context(), "", 99)
	ok(t, err)
	if len(got) != len(want) {
		t.Fatalf("there are %d invitations, want %d", len(got), len(want))
	}
	for n := range got {
		if !reflect.DeepEqual(got[n], want[n]) {
			t.Fatalf("invitation %d is %+v\nwant %+v", n, got[n], want[n])
		}
	}
}

// mailSecret is the n-th secret, with something in every field.
func mailSecret(n int, expires int64) *mail.LinkSecret {
	return &mail.LinkSecret{Hash: codeHash(n), Kind: "verify", User: "a\x00\xff", Epoch: "first", Box: []byte{0, 1, 255}, Expires: expires}
}

// findsSecret ends the test unless the store has exactly this secret.
func findsSecret(t testing.TB, s mail.Store, want *mail.LinkSecret) {
	t.Helper()
	got, err := s.FindSecret(t.Context(), want.Hash)
	ok(t, err)
	if len(got.Box) == 0 {
		got.Box = want.Box // nil and empty are the same
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("found %+v\nwant  %+v", got, want)
	}
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
			ok(t, s.Mail.PutSecret(t.Context(), mailSecret(1, 2_000)))
			s = s.Reopen(t)
			findsSecret(t, s.Mail, mailSecret(1, 2_000))
		},
	},
}

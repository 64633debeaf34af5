package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/token"
)

// tokenRecord is a token with the n-th ID, the n-th public ID and something in every field.
func tokenRecord(n int, user string) *token.Record {
	return &token.Record{
		ID: token.ID(id(n)), PublicID: fmt.Sprintf("token%06d", n), User: user, Epoch: "first", Kind: token.Personal,
		Name: "backup", Scopes: []string{"app.read", "app.write"}, Created: 1_000, Used: 1_100, Expires: 2_000,
		IP: "192.0.2.1", Agent: "curl/8", Data: []byte{0, 1, 255},
	}
}

// issued stores a new token and returns it as it was given.
func issued(t testing.TB, s token.Store, n int, user string, change ...func(*token.Record)) *token.Record {
	t.Helper()
	r := tokenRecord(n, user)
	for _, c := range change {
		c(r)
	}
	ok(t, s.Create(t.Context(), r, token.Limit{}))
	return r
}

// anewToken returns a changed copy of a record.
func anewToken(r *token.Record, change func(*token.Record)) *token.Record {
	next := *r
	next.Scopes, next.Data = slices.Clone(r.Scopes), bytes.Clone(r.Data)
	change(&next)
	return &next
}

// sameToken reports whether two records are equal in every field. Nil values equal empty values.
func sameToken(a, b *token.Record) bool {
	x, y := *a, *b
	x.Scopes, y.Scopes, x.Data, y.Data = nil, nil, nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Scopes, b.Scopes) && bytes.Equal(a.Data, b.Data)
}

// opens ends the test unless the store has exactly this token.
func opens(t testing.TB, s token.Store, want *token.Record) {
	t.Helper()
	got, err := s.Load(t.Context(), want.ID)
	ok(t, err)
	if !sameToken(got, want) {
		t.Fatalf("loaded %+v\nwant   %+v", got, want)
	}
}

// shut ends the test if the store has the n-th token.
func shut(t testing.TB, s token.Store, n int) {
	t.Helper()
	_, err := s.Load(t.Context(), token.ID(id(n)))
	fails(t, err, token.ErrNotFound)
}

// listsTokens ends the test unless the query finds exactly these tokens in this order.
func listsTokens(t testing.TB, s token.Store, q token.Query, want ...*token.Record) {
	t.Helper()
	got, err := s.List(t.Context(), q)
	ok(t, err)
	if !slices.EqualFunc(got, want, sameToken) {
		t.Fatalf("%+v found %d tokens, want %d:\n%+v", q, len(got), len(want), got)
	}
}

func ofKind(kind token.Kind) func(*token.Record) { return func(r *token.Record) { r.Kind = kind } }

var tokenCases = []testCase[token.Store]{
	{
		"a created token loads as it was given", "Create adds a token; Load returns it",
		func(t *testing.T, s token.Store) {
			opens(t, s, issued(t, s, 1, "ann"))
			opens(t, s, issued(t, s, 2, "ann", func(r *token.Record) {
				r.Name, r.Scopes, r.Used, r.Expires, r.IP, r.Agent, r.Data = "", nil, 0, 0, "", "", nil
			}))
			opens(t, s, issued(t, s, 3, "ann", func(r *token.Record) { r.Name, r.Agent = "naïve \x00 name", "a\xffgent" }))
			shut(t, s, 4)
		},
	},
	{
		"Create refuses what is taken, and leaves the token there as it was", "Create: ErrExists",
		func(t *testing.T, s token.Store) {
			first := issued(t, s, 1, "ann")
			for _, second := range []*token.Record{
				anewToken(tokenRecord(2, "bob"), func(r *token.Record) { r.ID = first.ID }),
				anewToken(tokenRecord(2, "bob"), func(r *token.Record) { r.PublicID = first.PublicID }),
			} {
				fails(t, s.Create(t.Context(), second, token.Limit{}), token.ErrExists)
				fails(t, s.Create(t.Context(), second, token.Limit{Max: 1, Evict: true}), token.ErrExists)
			}
			listsTokens(t, s, token.Query{}, first)
		},
	},
	{
		"a refused token of the same user evicts nothing", "a step is taken whole or not at all",
		func(t *testing.T, s token.Store) {
			first, second := issued(t, s, 1, "ann"), issued(t, s, 2, "ann")
			again := anewToken(tokenRecord(3, "ann"), func(r *token.Record) { r.ID = second.ID })
			fails(t, s.Create(t.Context(), again, token.Limit{Max: 1, Evict: true}), token.ErrExists)
			listsTokens(t, s, token.Query{}, first, second)
		},
	},
	{
		"the caller owns the records that it passes and gets", "a Store copies",
		func(t *testing.T, s token.Store) {
			r := issued(t, s, 1, "ann")
			want := anewToken(r, func(*token.Record) {})
			r.Scopes[0], r.Data[0] = "x.y", 9
			got, err := s.Load(t.Context(), want.ID)
			ok(t, err)
			got.Scopes[0], got.Data[0] = "z", 8
			opens(t, s, want)
		},
	},
	{
		"a limit refuses one more of the same kind and user", "Create: ErrLimit",
		func(t *testing.T, s token.Store) {
			limit := token.Limit{Max: 2, Now: 1_500}
			ok(t, s.Create(t.Context(), tokenRecord(1, "ann"), limit))
			ok(t, s.Create(t.Context(), tokenRecord(2, "ann"), limit))
			fails(t, s.Create(t.Context(), tokenRecord(3, "ann"), limit), token.ErrLimit)
			shut(t, s, 3)
			ok(t, s.Create(t.Context(), tokenRecord(4, "bob"), limit))
			ok(t, s.Create(t.Context(), anewToken(tokenRecord(5, "ann"), ofKind(token.Knox)), limit))
			ok(t, s.Create(t.Context(), tokenRecord(6, "ann"), token.Limit{}))
		},
	},
	{
		"expired tokens don't count against the limit", "Limit: tokens that have not expired",
		func(t *testing.T, s token.Store) {
			issued(t, s, 1, "ann")
			fails(t, s.Create(t.Context(), tokenRecord(2, "ann"), token.Limit{Max: 1, Now: 1_999}), token.ErrLimit)
			ok(t, s.Create(t.Context(), anewToken(tokenRecord(2, "ann"), func(r *token.Record) { r.Expires = 0 }), token.Limit{Max: 1, Now: 2_000}))
			fails(t, s.Create(t.Context(), tokenRecord(3, "ann"), token.Limit{Max: 1, Now: 9_000}), token.ErrLimit)
			opens(t, s, anewToken(mustLoad(t, s, 1), func(*token.Record) {}))
		},
	},
	{
		"with Evict the oldest tokens of the same user and kind are deleted", "Limit.Evict: the oldest make room",
		func(t *testing.T, s token.Store) {
			other, knox := issued(t, s, 90, "bob"), issued(t, s, 91, "ann", ofKind(token.Knox))
			limit := token.Limit{Max: 3, Now: 1_500, Evict: true}
			for n := range 6 { // all in one second: the order is that of the calls
				ok(t, s.Create(t.Context(), tokenRecord(9-n, "ann"), limit))
			}
			for n, there := range []bool{5: true, 6: true, 7: false, 9: false} {
				if _, err := s.Load(t.Context(), token.ID(id(n))); n > 4 && there != (err == nil) {
					t.Errorf("token %d: %v", n, err)
				}
			}
			early := anewToken(tokenRecord(20, "ann"), func(r *token.Record) { r.Created = 10 })
			ok(t, s.Create(t.Context(), early, token.Limit{}))
			ok(t, s.Create(t.Context(), tokenRecord(21, "ann"), token.Limit{Max: 4, Now: 1_500, Evict: true}))
			shut(t, s, 20)
			opens(t, s, other)
			opens(t, s, knox)
		},
	},
	{
		"of many concurrent creations no more succeed than the limit allows", "in one step with counting the user's others",
		func(t *testing.T, s token.Store) {
			var all sync.WaitGroup
			var mu sync.Mutex
			made := 0
			for n := range 16 {
				all.Go(func() {
					switch err := s.Create(t.Context(), tokenRecord(n, "ann"), token.Limit{Max: 3, Now: 1_500}); {
					case err == nil:
						mu.Lock()
						made++
						mu.Unlock()
					case !errors.Is(err, token.ErrLimit):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if left, err := s.List(t.Context(), token.Query{User: "ann"}); err != nil || made != 3 || len(left) != 3 {
				t.Errorf("%d were let in and %d are there (%v), want 3", made, len(left), err)
			}
		},
	},
	{
		"of many concurrent creations with Evict the newest stay", "Limit.Evict, in one step",
		func(t *testing.T, s token.Store) {
			var all sync.WaitGroup
			for n := range 16 {
				all.Go(func() {
					ok(t, s.Create(t.Context(), tokenRecord(n, "ann"), token.Limit{Max: 3, Now: 1_500, Evict: true}))
				})
			}
			all.Wait()
			if left, err := s.List(t.Context(), token.Query{User: "ann"}); err != nil || len(left) != 3 {
				t.Errorf("%d are there (%v), want 3", len(left), err)
			}
		},
	},
	{
		"Replace changes a token at its version, once", "Replace: ErrConflict if it is at another version",
		func(t *testing.T, s token.Store) {
			first := issued(t, s, 1, "ann")
			second := anewToken(first, func(r *token.Record) {
				r.Data, r.Expires, r.Name, r.Scopes, r.Epoch = []byte("next"), 3_000, "other", nil, "second"
			})
			ok(t, s.Replace(t.Context(), first, second))
			if second.Version == first.Version || second.Version == "" {
				t.Fatalf("version %q after %q", second.Version, first.Version)
			}
			opens(t, s, second)
			late := anewToken(first, func(r *token.Record) { r.Data, r.Version = []byte("late"), "mine" })
			fails(t, s.Replace(t.Context(), first, late), token.ErrConflict)
			if late.Version != "mine" {
				t.Errorf("a refused Replace set the version %q", late.Version)
			}
			opens(t, s, second)
		},
	},
	{
		"of many concurrent changes one succeeds", "in one step",
		func(t *testing.T, s token.Store) {
			first := issued(t, s, 1, "ann")
			var all sync.WaitGroup
			var mu sync.Mutex
			made := 0
			for n := range 16 {
				all.Go(func() {
					switch err := s.Replace(t.Context(), first, anewToken(first, func(r *token.Record) { r.Data = []byte{byte(n)} })); {
					case err == nil:
						mu.Lock()
						made++
						mu.Unlock()
					case !errors.Is(err, token.ErrConflict):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if made != 1 {
				t.Errorf("%d were made", made)
			}
		},
	},
	{
		"Replace and Touch create nothing", "only Create creates",
		func(t *testing.T, s token.Store) {
			r := tokenRecord(1, "ann")
			r.Version = "1"
			fails(t, s.Replace(t.Context(), r, anewToken(r, func(*token.Record) {})), token.ErrNotFound)
			ok(t, s.Touch(t.Context(), []token.LastUse{{ID: r.ID, At: 5_000}}))
			listsTokens(t, s, token.Query{})
			gone := issued(t, s, 2, "ann")
			ok(t, s.Delete(t.Context(), gone.ID))
			fails(t, s.Replace(t.Context(), gone, anewToken(gone, func(*token.Record) {})), token.ErrNotFound)
			ok(t, s.Touch(t.Context(), []token.LastUse{{ID: gone.ID, At: 5_000}}))
			listsTokens(t, s, token.Query{})
		},
	},
	{
		"Touch records only later uses, and changes no version", "Touch sets Used where that is later",
		func(t *testing.T, s token.Store) {
			r := issued(t, s, 1, "ann")
			ok(t, s.Touch(t.Context(), nil))
			ok(t, s.Touch(t.Context(), []token.LastUse{{ID: r.ID, At: 1_200}, {ID: token.ID(id(2)), At: 1_200}}))
			ok(t, s.Touch(t.Context(), []token.LastUse{{ID: r.ID, At: 1_150}}))
			want := anewToken(r, func(r *token.Record) { r.Used = 1_200 })
			opens(t, s, want)
			next := anewToken(r, func(r *token.Record) { r.Name = "renamed" })
			ok(t, s.Replace(t.Context(), r, next))
			opens(t, s, anewToken(next, func(r *token.Record) { r.Used = 1_200 }))
		},
	},
	{
		"Delete ends one token, and is no error twice", "Delete: it is no error if there is none",
		func(t *testing.T, s token.Store) {
			issued(t, s, 1, "ann")
			other := issued(t, s, 2, "ann")
			for range 2 {
				ok(t, s.Delete(t.Context(), token.ID(id(1))))
			}
			shut(t, s, 1)
			listsTokens(t, s, token.Query{}, other)
			again := issued(t, s, 1, "ann")
			opens(t, s, again)
		},
	},
	{
		"DeleteUser ends a user's tokens of the named kinds, or all", "DeleteUser: of these kinds or, without kinds, of all",
		func(t *testing.T, s token.Store) {
			bobs := issued(t, s, 1, "bob")
			issued(t, s, 2, "ann", ofKind(token.Knox))
			issued(t, s, 3, "ann", ofKind(token.Refresh))
			drf := issued(t, s, 4, "ann", ofKind(token.DRF))
			personal := issued(t, s, 5, "ann")
			for _, want := range []int{2, 0} {
				n, err := s.DeleteUser(t.Context(), "ann", token.Knox, token.Refresh)
				if ok(t, err); n != want {
					t.Fatalf("deleted %d, want %d", n, want)
				}
			}
			listsTokens(t, s, token.Query{}, bobs, drf, personal)
			n, err := s.DeleteUser(t.Context(), "ann")
			if ok(t, err); n != 2 {
				t.Fatalf("deleted %d, want 2", n)
			}
			listsTokens(t, s, token.Query{}, bobs)
		},
	},
	{
		"DeleteUsers ends the tokens of users, of the named kinds or all", "DeleteUsers: DeleteUser for each of the users",
		func(t *testing.T, s token.Store) {
			bobs := issued(t, s, 1, "bob")
			issued(t, s, 2, "ann", ofKind(token.Knox))
			issued(t, s, 3, "cy", ofKind(token.Refresh))
			drf := issued(t, s, 4, "ann", ofKind(token.DRF))
			personal := issued(t, s, 5, "cy")
			for _, want := range []int{1, 0} {
				n, err := removal.Tokens(t.Context(), s, []string{"cy", "dot", "ann"}, token.Knox, token.Refresh)
				if ok(t, err); n["ann"] != want || n["cy"] != want || n["dot"] != 0 {
					t.Fatalf("deleted %v, want %d each", n, want)
				}
			}
			listsTokens(t, s, token.Query{}, bobs, drf, personal)
			n, err := removal.Tokens(t.Context(), s, []string{"ann", "cy"})
			if ok(t, err); n["ann"] != 1 || n["cy"] != 1 {
				t.Fatalf("deleted %v, want 1 each", n)
			}
			listsTokens(t, s, token.Query{}, bobs)
		},
	},
	{
		"List selects by owner, kind, public ID and After, in the order of public IDs", "Query",
		func(t *testing.T, s token.Store) {
			var all []*token.Record
			for n := range 12 {
				all = append(all, issued(t, s, n*7%12, []string{"ann", "bob"}[n%2], ofKind([]token.Kind{token.DRF, token.Knox, token.Personal}[n%3])))
			}
			slices.SortFunc(all, func(a, b *token.Record) int { return bytes.Compare([]byte(a.PublicID), []byte(b.PublicID)) })
			where := func(keep func(*token.Record) bool) []*token.Record {
				return slices.DeleteFunc(slices.Clone(all), func(r *token.Record) bool { return !keep(r) })
			}
			listsTokens(t, s, token.Query{}, all...)
			listsTokens(t, s, token.Query{User: "ann"}, where(func(r *token.Record) bool { return r.User == "ann" })...)
			listsTokens(t, s, token.Query{User: "bob", Kind: token.Knox}, where(func(r *token.Record) bool { return r.User == "bob" && r.Kind == token.Knox })...)
			listsTokens(t, s, token.Query{Kind: token.DRF}, where(func(r *token.Record) bool { return r.Kind == token.DRF })...)
			listsTokens(t, s, token.Query{PublicID: all[3].PublicID}, all[3])
			listsTokens(t, s, token.Query{PublicID: all[3].PublicID, User: "unknown"})
			listsTokens(t, s, token.Query{After: all[3].PublicID, Limit: 2}, all[4], all[5])
		},
	},
	{
		"DeleteExpired removes expired tokens in batches, and no token without an expiry", "with 0 < Expires <= now, at most limit",
		func(t *testing.T, s token.Store) {
			eternal := issued(t, s, 1, "ann", func(r *token.Record) { r.Expires = 0 })
			later := issued(t, s, 2, "ann", func(r *token.Record) { r.Expires = 2_001 })
			for n := range 5 {
				issued(t, s, 10+n, "ann")
			}
			for _, want := range []int{3, 2, 0} {
				n, err := s.DeleteExpired(t.Context(), 2_000, 3)
				if ok(t, err); n != want {
					t.Fatalf("deleted %d, want %d", n, want)
				}
			}
			listsTokens(t, s, token.Query{}, eternal, later)
			n, err := s.DeleteExpired(t.Context(), 9_000, 0)
			if ok(t, err); n != 0 {
				t.Fatalf("deleted %d, want none", n)
			}
		},
	},
	{
		"a call whose context has ended returns an error and does nothing", "any other error is an outage",
		func(t *testing.T, s token.Store) {
			r := issued(t, s, 1, "ann")
			for name, call := range map[string]func(context.Context) error{
				"Create": func(ctx context.Context) error { return s.Create(ctx, tokenRecord(2, "ann"), token.Limit{}) },
				"Load":   func(ctx context.Context) error { _, err := s.Load(ctx, r.ID); return err },
				"Replace": func(ctx context.Context) error {
					return s.Replace(ctx, r, anewToken(r, func(r *token.Record) { r.Name = "x" }))
				},
				"Touch":         func(ctx context.Context) error { return s.Touch(ctx, []token.LastUse{{ID: r.ID, At: 5_000}}) },
				"Delete":        func(ctx context.Context) error { return s.Delete(ctx, r.ID) },
				"DeleteUser":    func(ctx context.Context) error { _, err := s.DeleteUser(ctx, "ann"); return err },
				"List":          func(ctx context.Context) error { _, err := s.List(ctx, token.Query{}); return err },
				"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx, 9_000, 9); return err },
			} {
				err := call(ended())
				if err == nil || errors.Is(err, token.ErrNotFound) || errors.Is(err, token.ErrExists) || errors.Is(err, token.ErrConflict) || errors.Is(err, token.ErrLimit) {
					t.Errorf("%s returned %v", name, err)
				}
				listsTokens(t, s, token.Query{}, r)
			}
		},
	},
}

func mustLoad(t testing.TB, s token.Store, n int) *token.Record {
	t.Helper()
	r, err := s.Load(t.Context(), token.ID(id(n)))
	ok(t, err)
	return r
}

var tokenPersistenceCases = []testCase[Stores]{
	{
		"tokens are after a restart as they were acknowledged", "what a method acknowledged survives",
		func(t *testing.T, s Stores) {
			kept, used := issued(t, s.Tokens, 1, "ann"), issued(t, s.Tokens, 2, "ann")
			issued(t, s.Tokens, 3, "ann")
			issued(t, s.Tokens, 4, "bob")
			changed := anewToken(kept, func(r *token.Record) { r.Data = []byte("changed") })
			ok(t, s.Tokens.Replace(t.Context(), kept, changed))
			ok(t, s.Tokens.Touch(t.Context(), []token.LastUse{{ID: used.ID, At: 1_900}}))
			ok(t, s.Tokens.Delete(t.Context(), token.ID(id(3))))
			_, err := s.Tokens.DeleteUser(t.Context(), "bob")
			ok(t, err)
			s = s.Reopen(t)
			listsTokens(t, s.Tokens, token.Query{}, changed, anewToken(used, func(r *token.Record) { r.Used = 1_900 }))
			fails(t, s.Tokens.Replace(t.Context(), kept, anewToken(kept, func(*token.Record) {})), token.ErrConflict)
		},
	},
}

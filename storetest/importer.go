package storetest

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Imports runs the cases of a store.Importer, which is the store of accounts, together with the tokens of its database. open returns empty
// stores.
func Imports(t *testing.T, open func(t *testing.T) store.Set) {
	run(t, open, importCases)
}

func importer(s store.Set) store.Importer { return s.Accounts.(store.Importer) }

// imports imports a user as the first of another program.
func imports(t testing.TB, s store.Set, u *account.User) store.ImportResult {
	t.Helper()
	results, err := importer(s).Import(t.Context(), []store.ImportedUser{{Source: "there", ID: "1", User: *u}}, true, nil)
	ok(t, err)
	return results[0]
}

// importsToken imports a token, and ends the test unless that adds it as expected.
func importsToken(t testing.TB, s store.Set, r *token.Record, want bool) {
	t.Helper()
	for _, dry := range []bool{true, false} {
		added, err := importer(s).ImportToken(t.Context(), r, dry)
		ok(t, err)
		if added != want {
			t.Fatalf("added is %t, dry: %t", added, dry)
		}
	}
}

// copied returns a token of the user that was imported.
func copied(n int, u *account.User) *token.Record {
	r := tokenRecord(n, u.ID)
	r.Epoch, r.Data = u.Epoch, store.ImportedTokenData("there")
	return r
}

var importCases = []testCase[store.Set]{
	{
		"a name may have any characters", "the names of users are texts",
		func(t *testing.T, s store.Set) {
			u := user(`CORP\ann`)
			u.Email = `"\x41\\"@example.com`
			first := imports(t, s, u)
			if !first.Created || first.Conflict != "" || first.User.Username != u.Username || first.User.Email != u.Email {
				t.Fatalf("%+v", first)
			}
			u.FirstName = "Ann"
			if again := imports(t, s, u); !again.Changed || again.User.ID != first.User.ID {
				t.Fatalf("%+v", again)
			}
			u.Username, u.Email = `corp\ANN`, ""
			results, err := importer(s).Import(t.Context(), []store.ImportedUser{{Source: "there", ID: "2", User: *u}}, true, nil)
			ok(t, err)
			if results[0].Conflict != "username" || results[0].User != nil {
				t.Fatalf("%+v", results[0])
			}
		},
	},
	{
		"a password that was taken away here does not come back", "no password if it was taken away here",
		func(t *testing.T, s store.Set) {
			u := user("ann")
			u.Password = "!there"
			imports(t, s, u)
			u.Password = "hash"
			ann := imports(t, s, u).User
			if ann.Password != "hash" {
				t.Fatalf("a first password there is %q here", ann.Password)
			}
			for _, unusable := range []string{"!here", ""} {
				taken := alters(t, s.Accounts, ann.ID, func(u *account.User) { u.Password, u.Epoch = unusable, u.Epoch+"." })
				u.Password, u.FirstName = u.Password+"x", u.FirstName+"x"
				if r := imports(t, s, u); r.User.Password != unusable || r.User.Epoch != taken.Epoch || r.User.FirstName != u.FirstName {
					t.Fatalf("%+v", r.User)
				}
				if again := imports(t, s, u); again.Changed {
					t.Fatalf("%+v", again)
				}
			}
			alters(t, s.Accounts, ann.ID, func(u *account.User) { u.Password = "chosen here" })
			if r := imports(t, s, u); r.User.Password != "chosen here" {
				t.Fatalf("%+v", r.User)
			}
			u.Password = "chosen there"
			if r := imports(t, s, u); r.User.Password != u.Password {
				t.Fatalf("%+v", r.User)
			}
		},
	},
	{
		"tokens that were imported go along with a new password, and none that has ended", "the user's tokens of ImportedTokenData that have not ended get the new one",
		func(t *testing.T, s store.Set) {
			u := user("ann")
			ann := imports(t, s, u).User
			live, dead, own, foreign := copied(1, ann), copied(2, ann), issued(t, s.Tokens, 3, ann.ID), copied(4, ann)
			dead.Epoch = "earlier"
			foreign.Data = store.ImportedTokenData("elsewhere")
			for _, r := range []*token.Record{live, dead, foreign} {
				importsToken(t, s, r, true)
			}
			u.Password = "another"
			changed := imports(t, s, u)
			if !changed.Changed || changed.User.Epoch == ann.Epoch {
				t.Fatalf("%+v", changed)
			}
			live.Epoch = changed.User.Epoch
			for n, want := range map[int]*token.Record{1: live, 2: dead, 3: own, 4: foreign} {
				got := mustLoad(t, s.Tokens, n)
				if got.Epoch != want.Epoch {
					t.Errorf("token %d has the epoch %q, want %q", n, got.Epoch, want.Epoch)
				}
				if moved := got.Version != want.Version; moved != (n == 1) {
					t.Errorf("token %d has another version: %t", n, moved)
				}
			}
		},
	},
	{
		"a token that has ended here is not added again", "one that has ended or expired here since stays so",
		func(t *testing.T, s store.Set) {
			ann := imports(t, s, user("ann")).User
			importsToken(t, s, copied(1, ann), true)
			importsToken(t, s, copied(1, ann), false)
			importsToken(t, s, copied(2, ann), true)
			ok(t, s.Tokens.Delete(t.Context(), copied(1, ann).ID))
			_, err := s.Tokens.DeleteUser(t.Context(), ann.ID)
			ok(t, err)
			importsToken(t, s, copied(1, ann), false)
			importsToken(t, s, copied(2, ann), false)
			for n := range 3 {
				shut(t, s.Tokens, n)
			}
		},
	},
	{
		"a token that has expired here is not added again", "one that has ended or expired here since stays so",
		func(t *testing.T, s store.Set) {
			r := copied(1, imports(t, s, user("ann")).User)
			r.Expires = 100
			importsToken(t, s, r, true)
			_, err := s.Tokens.DeleteExpired(t.Context(), 100, 10)
			ok(t, err)
			r.Expires = 300
			importsToken(t, s, r, false)
			shut(t, s.Tokens, 1)
		},
	},
	{
		"what agree refuses is not written", "if agree fails, nothing is written, and Import returns the error with the results that would have been",
		func(t *testing.T, s store.Set) {
			refused := errors.New("refused")
			results, err := importer(s).Import(t.Context(), []store.ImportedUser{{Source: "there", ID: "1", User: *user("ann")}}, true,
				func([]store.ImportResult) error { return refused })
			fails(t, err, refused)
			if len(results) != 1 || !results[0].Created {
				t.Fatalf("%+v", results)
			}
			absent(t, s.Accounts, "ann")
			known, err := importer(s).Imports(t.Context(), "there")
			ok(t, err)
			if len(known) != 0 {
				t.Fatalf("%v", known)
			}
		},
	},
}

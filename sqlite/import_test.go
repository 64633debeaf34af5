package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
)

// TestAnImportOfManyUsersTakesThemInTurn: what is read for many users at a time holds until one of them is written. One ID comes twice,
// and one user takes the name that another has just given up.
func TestAnImportOfManyUsersTakesThemInTurn(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	importer := db.Accounts.(store.Importer)
	var all []store.ImportedUser
	for i := range 250 {
		name := fmt.Sprintf("user%d", i)
		all = append(all, store.ImportedUser{Source: "there", ID: strconv.Itoa(i + 1), User: account.User{Username: name, IsActive: true}})
	}
	check := func(want func(i int, r store.ImportResult) bool) []store.ImportResult {
		t.Helper()
		results, err := importer.Import(t.Context(), all, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.User == nil || r.Conflict != "" || !want(i, r) {
				t.Errorf("user %d: %+v", i, r)
				continue
			}
			if u, err := db.Accounts.Load(t.Context(), r.User.ID); err != nil || i != 150 && i != 151 && u.FirstName != r.User.FirstName {
				t.Errorf("user %d is stored as %+v, %v", i, u, err)
			}
		}
		return results
	}
	again := all[150]
	again.User.FirstName = "Ann"
	all[151] = again // twice, in one batch
	check(func(i int, r store.ImportResult) bool { return r.Created == (i != 151) && r.Changed == (i == 151) })
	all[150].User.FirstName = "Ann"
	check(func(_ int, r store.ImportResult) bool { return !r.Created && !r.Changed })
	for i := range all {
		all[i].User.IsActive, all[i].User.Groups = false, nil
	}
	all[20].User.Username, all[30].User.Username = "other", "user20"
	results := check(func(i int, r store.ImportResult) bool { return r.Changed == (i != 151) && !r.User.IsActive })
	if u, err := db.Accounts.Find(t.Context(), "user20"); err != nil || u.ID != results[30].User.ID {
		t.Errorf("user20 is %+v, %v", u, err)
	}
}

package django_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// The transactions of Django's accounts keep what storetest demands of our own stores: nothing comes between what a
// transaction reads and what it writes.
func TestStepsBesideDjango(t *testing.T) {
	t.Attr("threat", "W13")
	t.Attr("threat", "W11")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		djangoserver.New(t, djangoserver.Config{Database: database, Keys: keys})
		store := opened(t, django.Config{Database: database, Keys: keys}).Accounts()
		other := opened(t, django.Config{Database: database, Keys: keys}).Accounts() // another node
		stores := []account.Store{store, other}
		made := func(name string, groups ...string) *account.User {
			t.Helper()
			u := &account.User{Username: name, IsActive: true, Groups: groups, DateJoined: 1, Password: "!"}
			if err := store.Create(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			return u
		}
		permissions := []string{"auth.add_group", "auth.add_user", "auth.change_group", "auth.change_user", "auth.delete_group", "auth.view_group"}
		together := func(n int, do func(k int) error) {
			t.Helper()
			var all sync.WaitGroup
			for k := range n {
				all.Go(func() {
					err := do(k)
					for err != nil && strings.Contains(err.Error(), "begin: database is locked") { // no turn within SQLite's five seconds
						err = do(k)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		t.Run("there is no place for Extra, and nothing is written", func(t *testing.T) {
			s := &account.Service{Store: store}
			u := made("extra")
			extra := account.Extra{Public: `{"a":1}`}
			_, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { u.Extra, u.FirstName = extra, "Ada"; return nil })
			if invalid, ok := errors.AsType[*account.InvalidError](err); !ok || len(invalid.Fields["extra"]) != 1 || invalid.Fields["extra"][0].Code != "not_supported" {
				t.Errorf("Edit returned %v", err)
			}
			if got, err := store.Load(t.Context(), u.ID); err != nil || got.FirstName != "" {
				t.Errorf("the user is %+v, %v", got, err)
			}
			if err := store.Create(t.Context(), &account.User{Username: "other", Password: "!", Extra: extra}); !errors.Is(err, account.UnsupportedErrors.Extra) {
				t.Errorf("Create returned %v", err)
			}
		})
		t.Run("there is no place for a language, and sign-up and sign-in leave it out", func(t *testing.T) {
			s := &account.Service{Store: store, Unsupported: account.Unsupported{Language: true, Extra: true, SpendLink: true}}
			u := made("language")
			_, err := s.Edit(t.Context(), u.ID, func(u *account.User) error { u.Language, u.FirstName = "de", "Ada"; return nil })
			if invalid, ok := errors.AsType[*account.InvalidError](err); !ok || len(invalid.Fields["language"]) != 1 || invalid.Fields["language"][0].Code != "not_supported" {
				t.Errorf("Edit returned %v", err)
			}
			if got, err := store.Load(t.Context(), u.ID); err != nil || got.FirstName != "" {
				t.Errorf("the user is %+v, %v", got, err)
			}
			if _, err := s.NoteSignIn(t.Context(), u, "de"); err != nil {
				t.Errorf("NoteSignIn: %v", err)
			}
			_, err = s.SignUp(t.Context(), account.NewUser{Username: "german", Email: "german@example.com", NoPassword: true, Language: "de"}, true, nil)
			if err != nil {
				t.Errorf("SignUp: %v", err)
			}
		})
		t.Run("a group is made once", func(t *testing.T) {
			var won atomic.Int32
			together(8, func(k int) error {
				err := stores[k%2].Transact(t.Context(), func(tx account.Tx) error {
					return tx.CreateGroup(account.Group{Name: "once", Permissions: permissions[k%6 : k%6+1]})
				})
				if err == nil {
					won.Add(1)
				}
				if errors.Is(err, account.ErrGroupExists) {
					err = nil
				}
				return err
			})
			if won.Load() != 1 {
				t.Errorf("%d made it", won.Load())
			}
		})
		t.Run("changes at once all count", func(t *testing.T) {
			u := made("busy")
			for k := range 6 {
				if err := store.SetGroup(t.Context(), account.Group{Name: fmt.Sprint("g", k)}); err != nil {
					t.Fatal(err)
				}
			}
			together(6, func(k int) error {
				join := func(u *account.User) error {
					u.Groups, u.UserPermissions = append(u.Groups, fmt.Sprint("g", k)), append(u.UserPermissions, permissions[k])
					return nil
				}
				if k%2 == 0 {
					_, err := stores[k/2%2].Change(t.Context(), u.ID, join)
					return err
				}
				return stores[k/2%2].Transact(t.Context(), func(tx account.Tx) error {
					u, err := tx.Load(u.ID)
					if err == nil {
						err = errors.Join(join(u), tx.Change(u))
					}
					return err
				})
			})
			got, err := store.Load(t.Context(), u.ID)
			if err != nil || len(got.Groups) != 6 || !slices.Equal(got.UserPermissions, permissions) {
				t.Errorf("%+v, %v", got, err)
			}
		})
		t.Run("a right that was taken away stays away", func(t *testing.T) {
			if err := store.SetGroup(t.Context(), account.Group{Name: "staff", Permissions: permissions}); err != nil {
				t.Fatal(err)
			}
			u := made("chief", "staff")
			errLost := errors.New("the right is lost")
			for round := range 5 {
				if err := store.SetGroup(t.Context(), account.Group{Name: "staff", Permissions: permissions}); err != nil {
					t.Fatal(err)
				}
				var removed atomic.Bool
				together(4, func(k int) error {
					if k == 0 {
						defer removed.Store(true)
						return other.SetGroup(t.Context(), account.Group{Name: "staff"})
					}
					for after := 0; after < 3; {
						if removed.Load() {
							after++
						}
						err := stores[k%2].Transact(t.Context(), func(tx account.Tx) error {
							actor, err := tx.Load(u.ID)
							if err != nil {
								return err
							}
							if !slices.Contains(actor.Permissions, "auth.change_group") {
								return errLost
							}
							return tx.ChangeGroup(account.Group{Name: "staff", Permissions: permissions[:2+k]})
						})
						if errors.Is(err, errLost) {
							return nil
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
				if got, err := store.Load(t.Context(), u.ID); err != nil || len(got.Permissions) > 0 {
					t.Fatalf("round %d: %+v, %v", round, got, err)
				}
			}
		})
		t.Run("what breaks off leaves nothing", func(t *testing.T) {
			u := made("whole")
			undo := errors.New("undo it")
			err := store.Transact(t.Context(), func(tx account.Tx) error {
				next, err := tx.Load(u.ID)
				if err != nil {
					return err
				}
				next.Groups, next.IsStaff = []string{"half"}, true
				return errors.Join(tx.CreateGroup(account.Group{Name: "half", Permissions: permissions}), tx.Change(next),
					tx.SetReset(u.ID, [32]byte{1}, time.Now().Add(time.Hour).Unix()), undo)
			})
			got, loadErr := store.Load(t.Context(), u.ID)
			if !errors.Is(err, undo) || loadErr != nil || got.IsStaff || len(got.Groups) > 0 {
				t.Errorf("%v; %+v, %v", err, got, loadErr)
			}
			for what, err := range map[string]error{
				"the group": store.Transact(t.Context(), func(tx account.Tx) error { _, err := tx.Group("half"); return err }),
				"a change":  store.Transact(t.Context(), func(tx account.Tx) error { return tx.ChangeGroup(account.Group{Name: "half"}) }),
				"a member": store.Transact(t.Context(), func(tx account.Tx) error {
					next := *got
					next.Groups = []string{"half"}
					return tx.Change(&next)
				}),
			} {
				if !errors.Is(err, account.ErrNotFound) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
		t.Run("more rights void a reset secret", func(t *testing.T) {
			raw := (&pair{config: cloakroom.Config{DB: "django+" + database}}).raw(t)
			u := made("promoted")
			hash := [32]byte{7}
			if err := store.SetReset(t.Context(), u.ID, hash, time.Now().Add(time.Hour).Unix()); err != nil {
				t.Fatal(err)
			}
			promote(t, raw, u.ID, true)
			spend := func() error {
				_, err := store.SpendReset(t.Context(), hash, time.Now().Unix(), func(*account.User) error { return nil })
				return err
			}
			if err := spend(); !errors.Is(err, account.SpentErrors.Reset) {
				t.Errorf("after Django made a superuser of the user: %v", err)
			}
			promote(t, raw, u.ID, false)
			if err := spend(); err != nil {
				t.Errorf("with the rights from before: %v", err)
			}
		})
	})
}

// promote does what Django does when a user is made a superuser, or is one no longer.
func promote(t *testing.T, raw *sql.DB, id string, superuser bool) {
	t.Helper()
	if _, err := raw.ExecContext(context.Background(), `UPDATE auth_user SET is_superuser = $1 WHERE CAST(id AS TEXT) = $2`, superuser, id); err != nil {
		t.Fatal(err)
	}
}

package account_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestASuperuserIsFoundAmongMany: the other superuser is looked for until the last user, and a user of another epoch isn't deleted.
func TestASuperuserIsFoundAmongMany(t *testing.T) {
	t.Attr("threat", "PD03")
	ctx, inner := t.Context(), memory.New().Accounts
	store := &counting{Store: inner}
	s := &account.Service{Store: store}
	add := func(name string, super bool) *account.User {
		t.Helper()
		u := &account.User{Username: name, IsActive: true, IsSuperuser: super, Epoch: "now"}
		if err := store.Create(ctx, u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := add("first", true)
	for n := range 1100 {
		add(fmt.Sprint("user", n), false)
	}
	if err := s.DeleteOwn(ctx, first.ID, "now"); !errors.Is(err, account.DeniedErrors.LastAdministrator) {
		t.Errorf("the only superuser: %v", err)
	}
	if store.listed > 10 { // of some hundred thousand, the time of a request would be over
		t.Errorf("%d users were read to find another superuser", store.listed)
	}
	last := add("last", true)
	if err := s.DeleteOwn(ctx, first.ID, "before"); !errors.Is(err, account.ErrEpochChanged) {
		t.Errorf("with another epoch: %v", err)
	}
	if err := s.DeleteOwn(ctx, first.ID, "now"); err != nil {
		t.Errorf("with another superuser: %v", err)
	}
	if err := s.DeleteOwn(ctx, first.ID, "now"); !errors.Is(err, account.ErrEpochChanged) {
		t.Errorf("once more: %v", err)
	}
	if err := s.DeleteOwn(ctx, last.ID, "now"); !errors.Is(err, account.DeniedErrors.LastAdministrator) {
		t.Errorf("the last one: %v", err)
	}
}

// counting is a store that counts the users that it lists.
type counting struct {
	account.Store
	listed int
}

func (c *counting) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	found, err := c.Store.List(ctx, q)
	c.listed += len(found)
	return found, err
}

// TestAUserWhoBecomesASuperuserMeanwhile is deleted if there is another superuser, and stays if there is none.
func TestAUserWhoBecomesASuperuserMeanwhile(t *testing.T) {
	t.Attr("threat", "PD03")
	for _, others := range []bool{true, false} {
		ctx, store := t.Context(), memory.New().Accounts
		all := []*account.User{{Username: "ada"}, {Username: "bob", IsSuperuser: others}}
		for _, u := range all {
			u.IsActive, u.Epoch = true, "now"
			if err := store.Create(ctx, u); err != nil {
				t.Fatal(err)
			}
		}
		s := &account.Service{Store: changing{store, func() {
			if _, err := store.Change(ctx, all[0].ID, func(u *account.User) error { u.IsSuperuser = true; return nil }); err != nil {
				t.Error(err)
			}
		}}}
		err := s.DeleteOwn(ctx, all[0].ID, "now")
		if others && err != nil || !others && !errors.Is(err, account.DeniedErrors.LastAdministrator) {
			t.Errorf("with another superuser %v: %v", others, err)
		}
		if _, err := store.Load(ctx, all[0].ID); errors.Is(err, account.ErrNotFound) != others {
			t.Errorf("with another superuser %v, the user is %v", others, err)
		}
	}
}

// TestASuperuserWhoLeavesMeanwhileDoesNotCount: one who was found, and is disabled, demoted or deleted before the step that deletes.
func TestASuperuserWhoLeavesMeanwhileDoesNotCount(t *testing.T) {
	t.Attr("threat", "PD03")
	for name, leave := range map[string]func(ctx context.Context, s account.Store, id string) error{
		"deleted": func(ctx context.Context, s account.Store, id string) error { return s.Delete(ctx, id) },
		"disabled": func(ctx context.Context, s account.Store, id string) error {
			_, err := s.Change(ctx, id, func(u *account.User) error { u.IsActive = false; return nil })
			return err
		},
		"demoted": func(ctx context.Context, s account.Store, id string) error {
			_, err := s.Change(ctx, id, func(u *account.User) error { u.IsSuperuser = false; return nil })
			return err
		},
	} {
		ctx, store := t.Context(), memory.New().Accounts
		all := []*account.User{{Username: "ada"}, {Username: "bob"}, {Username: "carol"}}
		for _, u := range all {
			u.IsActive, u.IsSuperuser, u.Epoch = true, true, "now"
			if err := store.Create(ctx, u); err != nil {
				t.Fatal(err)
			}
		}
		left := 1
		s := &account.Service{Store: changing{store, func() {
			if left < len(all) {
				if err := leave(ctx, store, all[left].ID); err != nil {
					t.Error(err)
				}
				left++
			}
		}}}
		if err := s.DeleteOwn(ctx, all[0].ID, "now"); !errors.Is(err, account.DeniedErrors.LastAdministrator) || left != len(all) {
			t.Errorf("%s: %v, after %d others have left", name, err, left-1)
		}
	}
}

// changing is a store that changes before each transaction.
type changing struct {
	account.Store
	before func()
}

func (c changing) Transact(ctx context.Context, do func(account.Tx) error) error {
	c.before()
	return c.Store.Transact(ctx, do)
}

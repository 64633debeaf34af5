package account_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestASuperuserIsFoundAmongMany: the other superuser is looked for until the last user, and a user of another epoch isn't deleted.
func TestASuperuserIsFoundAmongMany(t *testing.T) {
	t.Attr("threat", "PD03")
	ctx, store := t.Context(), memory.New().Accounts
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
	if err := s.DeleteOwn(ctx, first.ID, "now"); !errors.Is(err, account.ErrLastAdministrator) {
		t.Errorf("the only superuser: %v", err)
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
	if err := s.DeleteOwn(ctx, last.ID, "now"); !errors.Is(err, account.ErrLastAdministrator) {
		t.Errorf("the last one: %v", err)
	}
}

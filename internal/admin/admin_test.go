package admin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// TestActsAreRecordedOnceTheyAreDone: an act that fails leaves no event, and one that ends sessions is recorded after the
// clean-up.
func TestActsAreRecordedOnceTheyAreDone(t *testing.T) {
	t.Attr("threat", "L01")
	db := memory.New()
	log := &audit.Log{Store: db.Audit}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- log.Run(ctx) }()
	defer func() {
		stop()
		<-done
	}()
	var got []string
	s := admin.Service{
		Accounts: &account.Service{Store: db.Accounts, Hasher: &password.Hasher{}, Guard: &throttle.Guard{Store: db.Throttles}},
		Audit:    log,
	}
	events := func() []string {
		t.Helper()
		if err := log.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, _, err := log.Page(t.Context(), audit.Query{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range slices.Backward(all) {
			names = append(names, e.Name+" "+fmt.Sprint(e.Detail))
		}
		return names
	}
	s.CleanUp = func(_ context.Context, reason string, users ...string) {
		got = append(got, strings.Join(users, " ")+" "+reason)
		if n := len(events()); n != 4 {
			t.Errorf("at the clean-up the log has %d events, want the 4 from before", n)
		}
	}
	u, err := s.CreateUser(t.Context(), account.NewUser{Username: "ada", NoPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(t.Context(), account.NewUser{Username: "ada", NoPassword: true}); err == nil {
		t.Error("a second user called ada was created, want an error")
	}
	g, err := s.AddGroup(t.Context(), account.Group{Name: "editors", Permissions: []string{"blog.add_post"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.EditUser(t.Context(), u.ID, func(u *account.User) error { u.Groups = []string{"editors"}; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EditUser(t.Context(), u.ID, func(*account.User) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if want := []string{u.ID + " " + endreason.Deleted}; !slices.Equal(got, want) {
		t.Errorf("cleaned up %q, want %q", got, want)
	}
	want := []string{
		"user_created map[]",
		"privilege_permissions_changed map[change:+blog.add_post deed:created group:editors]",
		"privilege_permissions_changed map[change:+group:editors]",
		"privilege_permissions_changed map[change:-blog.add_post deed:deleted group:editors]",
		"user_deleted map[]",
	}
	if all := events(); !slices.Equal(all, want) {
		t.Errorf("the audit log has\n%q, want\n%q", all, want)
	}
}

package account_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// panicText returns what a call panics with; "" if it returns.
func panicText(call func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	call()
	return ""
}

func TestAServiceWithoutAStoreSaysSo(t *testing.T) {
	s := &account.Service{Hasher: &password.Hasher{}, Guard: &throttle.Guard{Store: memory.New().Throttles}}
	const secret = "correct horse battery staple"
	try := account.Attempt{Login: "ada", Password: secret, Address: netip.MustParseAddr("192.0.2.1")}
	nothing := func(*account.User) error { return nil }
	for name, call := range map[string]func(context.Context){
		"Authenticate": func(ctx context.Context) { _, _ = s.Authenticate(ctx, try) },
		"Verify":       func(ctx context.Context) { _, _ = s.Verify(ctx, try) },
		"Confirm":      func(ctx context.Context) { _, _ = s.Confirm(ctx, "1", try) },
		"Create":       func(ctx context.Context) { _, _ = s.Create(ctx, account.NewUser{Username: "ada", Password: secret}) },
		"CreateFirst": func(ctx context.Context) {
			_, _ = s.CreateFirst(ctx, "x", account.NewUser{Username: "ada", Password: secret})
		},
		"ChangePassword": func(ctx context.Context) { _, _ = s.ChangePassword(ctx, "1", try, secret) },
		"SetPassword":    func(ctx context.Context) { _ = s.SetPassword(ctx, "1", secret) },
		"SetActive":      func(ctx context.Context) { _ = s.SetActive(ctx, "1", true) },
		"Edit":           func(ctx context.Context) { _, _ = s.Edit(ctx, "1", nothing) },
		"Delete":         func(ctx context.Context) { _ = s.Delete(ctx, "1") },
		"Lookup":         func(ctx context.Context) { _, _ = s.Lookup(ctx, "ada") },
		"By":             func(ctx context.Context) { _ = s.By(account.Actor{}).Delete(ctx, "1") },
		"Subject":        func(ctx context.Context) { _, _ = s.ManagedUser(ctx, "1") },
		"Group":          func(ctx context.Context) { _, _ = s.Group(ctx, "editors") },
		"AddGroup":       func(ctx context.Context) { _, _ = s.AddGroup(ctx, account.Group{Name: "editors"}) },
		"DeleteGroup":    func(ctx context.Context) { _ = s.DeleteGroup(ctx, "editors") },
		"NeedsSetup":     func(ctx context.Context) { _, _ = s.NeedsSetup(ctx) },
		"SetupSecret":    func(ctx context.Context) { _, _ = s.SetupSecret(ctx) },
		"ResetSecret":    func(ctx context.Context) { _, _, _ = s.ResetSecret(ctx, "1") },
		"ResetPassword": func(ctx context.Context) {
			_, _ = s.ResetPassword(ctx, strings.Repeat("a", 43), secret, netip.MustParseAddr("192.0.2.1"))
		},
	} {
		if text := panicText(func() { call(t.Context()) }); !strings.Contains(text, "Service.Store is nil") {
			t.Errorf("%s panics with %q, want a text that says that Service.Store is nil", name, text)
		}
	}
}

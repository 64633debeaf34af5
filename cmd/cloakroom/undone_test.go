package main

import (
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// TestWhatARestoreUndoes goes through the changes of factors and links; the script restore_audit has the other ones.
func TestWhatARestoreUndoes(t *testing.T) {
	for _, c := range []struct {
		kind   audit.Kind
		detail map[string]string
		want   string
	}{
		{audit.SecondFactorKinds.Removed, map[string]string{"kind": "totp"}, "factor removed totp"},
		{audit.SecondFactorKinds.RecoveryUsed, nil, "recovery code used "},
		{audit.SecondFactorKinds.RecoveryRenewed, nil, "recovery codes renewed "},
		{audit.ProviderKinds.Unlinked, map[string]string{"issuer": "https://login.example.com"}, "link to a provider removed https://login.example.com"},
		{audit.SecondFactorKinds.Added, map[string]string{"kind": "totp"}, " "},
		{audit.ProviderKinds.Linked, nil, " "},
	} {
		what, detail := undone(admin.Event{Event: c.kind.String(), Outcome: audit.Success, Detail: c.detail})
		if got := what + " " + detail; got != c.want {
			t.Errorf("%s: %q; want %q", c.kind, got, c.want)
		}
		if what, _ := undone(admin.Event{Event: c.kind.String(), Outcome: audit.Failure, Detail: c.detail}); what != "" {
			t.Errorf("%s that failed: %q", c.kind, what)
		}
	}
}

package audit_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestEachKindHasItsNameLevelAndOutcome in the store and in the text log: other programs read both.
func TestEachKindHasItsNameLevelAndOutcome(t *testing.T) {
	kinds := map[string]audit.Kind{
		"authn_login_success INFO success":           audit.LoginKinds.Success,
		"authn_login_fail WARN failure":              audit.LoginKinds.Fail,
		"authn_login_lock WARN failure":              audit.LoginKinds.Lock,
		"authn_reauthenticate_success INFO success":  audit.ReauthenticateKinds.Success,
		"authn_reauthenticate_fail WARN failure":     audit.ReauthenticateKinds.Fail,
		"authn_reauthenticate_lock WARN failure":     audit.ReauthenticateKinds.Lock,
		"authn_second_required INFO success":         audit.SecondFactorKinds.Required,
		"authn_factor_added INFO success":            audit.SecondFactorKinds.Added,
		"authn_factor_removed INFO success":          audit.SecondFactorKinds.Removed,
		"authn_recovery_used INFO success":           audit.SecondFactorKinds.RecoveryUsed,
		"authn_recovery_renewed INFO success":        audit.SecondFactorKinds.RecoveryRenewed,
		"authn_provider_fail WARN failure":           audit.ProviderKinds.Fail,
		"authn_link_added INFO success":              audit.ProviderKinds.Linked,
		"authn_link_removed INFO success":            audit.ProviderKinds.Unlinked,
		"authn_provider_logout INFO success":         audit.ProviderKinds.Logout,
		"authn_password_change INFO success":         audit.PasswordKinds.Change,
		"authn_password_change_fail WARN failure":    audit.PasswordKinds.ChangeFail,
		"authn_token_created INFO success":           audit.TokenKinds.Created,
		"authn_token_renewed INFO success":           audit.TokenKinds.Renewed,
		"authn_token_reuse WARN failure":             audit.TokenKinds.Reuse,
		"authn_token_revoked INFO success":           audit.TokenKinds.Revoked,
		"authz_admin INFO success":                   audit.AuthzKinds.Admin,
		"authz_fail WARN failure":                    audit.AuthzKinds.Fail,
		"privilege_permissions_changed INFO success": audit.PrivilegeKinds.PermissionsChanged,
		"session_created INFO success":               audit.SessionKinds.Created,
		"session_renewed INFO success":               audit.SessionKinds.Renewed,
		"session_expired INFO success":               audit.SessionKinds.Expired,
		"session_use_after_expire INFO failure":      audit.SessionKinds.UseAfterExpire,
		"user_created INFO success":                  audit.UserKinds.Created,
		"user_updated INFO success":                  audit.UserKinds.Updated,
		"user_archived INFO success":                 audit.UserKinds.Archived,
		"user_compromised INFO success":              audit.UserKinds.Compromised,
		"user_deleted INFO success":                  audit.UserKinds.Deleted,
		"user_exported INFO success":                 audit.UserKinds.Exported,
		"authn_email_verified INFO success":          audit.EmailKinds.Verified,
		"authn_email_change INFO success":            audit.EmailKinds.Changed,
		"authn_email_revert INFO success":            audit.EmailKinds.Reverted,
		"mail_sent INFO success":                     audit.MailKinds.Sent,
		"mail_refused WARN failure":                  audit.MailKinds.Refused,
		"mail_expired WARN failure":                  audit.MailKinds.Expired,
		"input_validation_fail INFO failure":         audit.InputKinds.ValidationFail,
		"malicious_csrf WARN failure":                audit.MaliciousKinds.CSRF,
		"sys_startup INFO success":                   audit.SysKinds.Startup,
		"sys_shutdown INFO success":                  audit.SysKinds.Shutdown,
		"sys_restored INFO success":                  audit.SysKinds.Restored,
		"sys_crash ERROR failure":                    audit.SysKinds.Crash,
		"authn_passkey_counter WARN failure":         audit.SecondFactorKinds.PasskeyCounter,
		"session_bound INFO success":                 audit.SessionKinds.Bound,
		"session_binding_fail WARN failure":          audit.SessionKinds.BindingFail,
		"session_unproven INFO failure":              audit.SessionKinds.Unproven,
	}
	var names []string
	for want := range kinds {
		name, _, _ := strings.Cut(want, " ")
		names = append(names, name)
	}
	names = append(names, leftOut)
	slices.Sort(names)
	if got := audit.KindNames(); !slices.Equal(got, names) {
		t.Errorf("KindNames() = %q, want %q", got, names)
	}
	for want, kind := range kinds {
		var text bytes.Buffer
		log := &audit.Log{Store: memory.New().Audit, Text: slog.New(slog.NewTextHandler(&text, nil))}
		log.Record(t.Context(), kind)
		if err := log.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		events, err := log.Store.List(t.Context(), audit.Query{})
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: the store has %d events, %v", want, len(events), err)
		}
		name, rest, _ := strings.Cut(want, " ")
		level, outcome, _ := strings.Cut(rest, " ")
		if e := events[0]; e.Name != name || kind.String() != name || e.Outcome != outcome {
			t.Errorf("got %q (%s) with the outcome %q, want %s", e.Name, kind, e.Outcome, want)
		}
		if !strings.HasSuffix(text.String(), "level="+level+" msg="+name+"\n") {
			t.Errorf("the line of %s is %s", want, &text)
		}
	}
}

// TestALogWithoutStoreOrText records what it can: the program may have only one of them, or neither.
func TestALogWithoutStoreOrText(t *testing.T) {
	var none *audit.Log
	none.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", "7"))

	var text bytes.Buffer
	lines := &audit.Log{Text: slog.New(slog.NewTextHandler(&text, nil))}
	lines.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", "7"))
	if err := lines.Flush(t.Context()); err != nil || !strings.Contains(text.String(), "msg=session_created user=7") || lines.Stats().Waiting != 0 {
		t.Errorf("without a store: %v, %d events wait, and the text log has %q", err, lines.Stats().Waiting, &text)
	}

	stored := &audit.Log{Store: memory.New().Audit}
	stored.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", "7"))
	if err := stored.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events, err := stored.Store.List(t.Context(), audit.Query{}); err != nil || len(events) != 1 || events[0].Subject != "7" {
		t.Errorf("without a text log: %v, %v", events, err)
	}
}

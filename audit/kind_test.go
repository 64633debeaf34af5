package audit_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestEachKindHasItsNameLevelAndOutcome in the store and in the text log: other programs read both.
func TestEachKindHasItsNameLevelAndOutcome(t *testing.T) {
	for want, kind := range map[string]audit.Kind{
		"authn_login_success INFO success":           audit.Login.Success,
		"authn_login_fail WARN failure":              audit.Login.Fail,
		"authn_login_lock WARN failure":              audit.Login.Lock,
		"authn_reauthenticate_success INFO success":  audit.Reauthenticate.Success,
		"authn_reauthenticate_fail WARN failure":     audit.Reauthenticate.Fail,
		"authn_reauthenticate_lock WARN failure":     audit.Reauthenticate.Lock,
		"authn_second_required INFO success":         audit.SecondFactor.Required,
		"authn_factor_added INFO success":            audit.SecondFactor.Added,
		"authn_factor_removed INFO success":          audit.SecondFactor.Removed,
		"authn_recovery_used INFO success":           audit.SecondFactor.RecoveryUsed,
		"authn_recovery_renewed INFO success":        audit.SecondFactor.RecoveryRenewed,
		"authn_provider_fail WARN failure":           audit.Provider.Fail,
		"authn_link_added INFO success":              audit.Provider.Linked,
		"authn_link_removed INFO success":            audit.Provider.Unlinked,
		"authn_provider_logout INFO success":         audit.Provider.Logout,
		"authn_password_change INFO success":         audit.Password.Change,
		"authn_password_change_fail WARN failure":    audit.Password.ChangeFail,
		"authn_token_created INFO success":           audit.Token.Created,
		"authn_token_renewed INFO success":           audit.Token.Renewed,
		"authn_token_reuse WARN failure":             audit.Token.Reuse,
		"authn_token_revoked INFO success":           audit.Token.Revoked,
		"authz_admin INFO success":                   audit.Authz.Admin,
		"authz_fail WARN failure":                    audit.Authz.Fail,
		"privilege_permissions_changed INFO success": audit.Privilege.PermissionsChanged,
		"session_created INFO success":               audit.Session.Created,
		"session_renewed INFO success":               audit.Session.Renewed,
		"session_expired INFO success":               audit.Session.Expired,
		"session_use_after_expire INFO failure":      audit.Session.UseAfterExpire,
		"user_created INFO success":                  audit.User.Created,
		"user_updated INFO success":                  audit.User.Updated,
		"user_archived INFO success":                 audit.User.Archived,
		"user_compromised INFO success":              audit.User.Compromised,
		"user_deleted INFO success":                  audit.User.Deleted,
		"authn_email_verified INFO success":          audit.Email.Verified,
		"authn_email_change INFO success":            audit.Email.Changed,
		"authn_email_revert INFO success":            audit.Email.Reverted,
		"mail_sent INFO success":                     audit.Mail.Sent,
		"mail_refused WARN failure":                  audit.Mail.Refused,
		"mail_expired WARN failure":                  audit.Mail.Expired,
		"input_validation_fail INFO failure":         audit.Input.ValidationFail,
		"malicious_csrf WARN failure":                audit.Malicious.CSRF,
		"sys_startup INFO success":                   audit.Sys.Startup,
		"sys_shutdown INFO success":                  audit.Sys.Shutdown,
		"sys_restored INFO success":                  audit.Sys.Restored,
		"sys_crash ERROR failure":                    audit.Sys.Crash,
	} {
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
	none.Record(t.Context(), audit.Session.Created, slog.String("user", "7"))

	var text bytes.Buffer
	lines := &audit.Log{Text: slog.New(slog.NewTextHandler(&text, nil))}
	lines.Record(t.Context(), audit.Session.Created, slog.String("user", "7"))
	if err := lines.Flush(t.Context()); err != nil || !strings.Contains(text.String(), "msg=session_created user=7") || lines.Stats().Waiting != 0 {
		t.Errorf("without a store: %v, %d events wait, and the text log has %q", err, lines.Stats().Waiting, &text)
	}

	stored := &audit.Log{Store: memory.New().Audit}
	stored.Record(t.Context(), audit.Session.Created, slog.String("user", "7"))
	if err := stored.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if events, err := stored.Store.List(t.Context(), audit.Query{}); err != nil || len(events) != 1 || events[0].Subject != "7" {
		t.Errorf("without a text log: %v, %v", events, err)
	}
}

package audit

import (
	"log/slog"
	"slices"
)

// Kind is a kind of event: its name, the level of its line in the text log, and its outcome. The kinds are the fields of the
// variables below, which have the names of OWASP's Logging Vocabulary: SessionKinds.Created is "session_created". Other packages
// can't make more of them.
type Kind struct {
	name    string
	level   slog.Level
	outcome string
}

// String returns the name of the kind, such as "session_created".
func (k Kind) String() string { return k.name }

func success(name string) Kind { return newKind(name, slog.LevelInfo, Success) }
func failure(name string) Kind { return newKind(name, slog.LevelWarn, Failure) }

var kindNames []string

func newKind(name string, level slog.Level, outcome string) Kind {
	kindNames = append(kindNames, name)
	return Kind{name, level, outcome}
}

// KindNames returns the names of all kinds, sorted. A log may also have events of kinds that an earlier version had.
func KindNames() []string { return slices.Sorted(slices.Values(kindNames)) }

// ProofKinds is what can come of the check of a factor, such as a password: it was right, it was wrong, or it wasn't checked because of too
// many attempts.
type ProofKinds struct{ Success, Fail, Lock Kind }

// LoginKinds are about sign-ins, and ReauthenticateKinds about a factor, such as the password, shown again in a session.
var (
	LoginKinds = ProofKinds{success("authn_login_success"), failure("authn_login_fail"), failure("authn_login_lock")}

	ReauthenticateKinds = ProofKinds{
		success("authn_reauthenticate_success"), failure("authn_reauthenticate_fail"), failure("authn_reauthenticate_lock"),
	}
)

// SecondFactorKinds are about factors besides the password. Required is a right password that was not enough, and RecoveryUsed a
// recovery code in the place of another factor. PasskeyCounter is a passkey or security key whose counter hasn't risen, so that
// there may be a copy of it.
var SecondFactorKinds = struct{ Required, PasskeyCounter, Added, Removed, RecoveryUsed, RecoveryRenewed Kind }{
	success("authn_second_required"), failure("authn_passkey_counter"), success("authn_factor_added"), success("authn_factor_removed"),
	success("authn_recovery_used"), success("authn_recovery_renewed"),
}

// ProviderKinds are about other providers: Fail is a sign-in there that proved nothing, Linked and Unlinked an account there that is
// or isn't a user's any more, and Logout the end of a session by its provider.
var ProviderKinds = struct{ Fail, Linked, Unlinked, Logout Kind }{
	failure("authn_provider_fail"), success("authn_link_added"), success("authn_link_removed"), success("authn_provider_logout"),
}

// PasswordKinds are about changes of a password.
var PasswordKinds = struct{ Change, ChangeFail Kind }{
	success("authn_password_change"), failure("authn_password_change_fail"),
}

// EmailKinds are about the address of an account. Verified: its user has proven to receive mail there, or an operator has confirmed it.
// Changed: its user has proven to receive mail at another, which it is from then on. Reverted: the owner of a former address has taken the
// account back.
var EmailKinds = struct{ Verified, Changed, Reverted Kind }{
	success("authn_email_verified"), success("authn_email_change"), success("authn_email_revert"),
}

// TokenKinds are about tokens, and links that are used once. Reuse is a refresh token that was presented twice.
var TokenKinds = struct{ Created, Renewed, Reuse, Revoked Kind }{
	success("authn_token_created"), success("authn_token_renewed"), failure("authn_token_reuse"), success("authn_token_revoked"),
}

// AuthzKinds are about authorization. Admin is an act of an administrator that has no kind of its own, and Fail a request that the
// user may not make.
var AuthzKinds = struct{ Admin, Fail Kind }{success("authz_admin"), failure("authz_fail")}

// PrivilegeKinds are about changes of the permissions of a user or a group.
var PrivilegeKinds = struct{ PermissionsChanged Kind }{success("privilege_permissions_changed")}

// SessionKinds are about sessions. UseAfterExpire is a request with a ticket of no live session. It is no warning, since
// a browser does so whenever a session has ended. Bound is a session that counts only in its browser from then on, Unproven
// a request with the ticket of such a session and without the proof, which a browser that has lost its key sends as a thief does, and
// BindingFail one that tried to bind the session to another key, or to renew the proof without the key.
var SessionKinds = struct{ Created, Renewed, Expired, Bound, BindingFail, Unproven, UseAfterExpire Kind }{
	success("session_created"), success("session_renewed"), success("session_expired"), success("session_bound"), failure("session_binding_fail"),
	newKind("session_unproven", slog.LevelInfo, Failure),
	newKind("session_use_after_expire", slog.LevelInfo, Failure),
}

// UserKinds are about what administrators do to accounts, or users to their own. Archived is a disabled account, Compromised one that was
// closed to everyone who could get into it, and Exported one whose user has taken along what is kept about them.
var UserKinds = struct{ Created, Updated, Archived, Compromised, Deleted, Exported Kind }{
	success("user_created"), success("user_updated"), success("user_archived"), success("user_compromised"), success("user_deleted"),
	success("user_exported"),
}

// MailKinds are about what became of a message: the mail server has accepted it, has refused it for good, or didn't accept it in time.
var MailKinds = struct{ Sent, Refused, Expired Kind }{success("mail_sent"), failure("mail_refused"), failure("mail_expired")}

// InputKinds are about malformed requests.
var InputKinds = struct{ ValidationFail Kind }{newKind("input_validation_fail", slog.LevelInfo, Failure)}

// MaliciousKinds are about requests that look like an attack. CSRF is a request that another site's page may have sent.
var MaliciousKinds = struct{ CSRF Kind }{failure("malicious_csrf")}

// SysKinds are about the server. Crash is a panic. Restored means that everything was ended that a restored database can't know
// the end of.
var SysKinds = struct{ Startup, Shutdown, Restored, Crash Kind }{
	success("sys_startup"), success("sys_shutdown"), success("sys_restored"), newKind("sys_crash", slog.LevelError, Failure),
}

// leftOut says how many events were not kept. It has no line in the text log, which has those events.
var leftOut = newKind("audit_events_left_out", slog.LevelInfo, Failure)

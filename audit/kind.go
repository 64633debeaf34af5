package audit

import "log/slog"

// Kind is a kind of event: its name, the level of its line in the text log, and its outcome. The kinds are the fields of the
// variables below, which have the names of OWASP's Logging Vocabulary: Session.Created is "session_created". Other packages
// can't make more of them.
type Kind struct {
	name    string
	level   slog.Level
	outcome string
}

// String returns the name of the kind, such as "session_created".
func (k Kind) String() string { return k.name }

func success(name string) Kind { return Kind{name, slog.LevelInfo, Success} }
func failure(name string) Kind { return Kind{name, slog.LevelWarn, Failure} }

// Verification is what can come of the check of a password: it was right, it was wrong, or it wasn't checked because of too
// many attempts.
type Verification struct{ Success, Fail, Lock Kind }

// Login is a sign-in, and Reauthenticate a factor, such as the password, shown again in a session.
var (
	Login = Verification{success("authn_login_success"), failure("authn_login_fail"), failure("authn_login_lock")}

	Reauthenticate = Verification{
		success("authn_reauthenticate_success"), failure("authn_reauthenticate_fail"), failure("authn_reauthenticate_lock"),
	}
)

// SecondFactor is about factors besides the password. Required is a right password that was not enough, and RecoveryUsed a
// recovery code in the place of another factor. PasskeyCounter is a passkey or security key whose counter hasn't risen, so that
// there may be a copy of it.
var SecondFactor = struct{ Required, PasskeyCounter, Added, Removed, RecoveryUsed, RecoveryRenewed Kind }{
	success("authn_second_required"), failure("authn_passkey_counter"), success("authn_factor_added"), success("authn_factor_removed"),
	success("authn_recovery_used"), success("authn_recovery_renewed"),
}

// Provider is about other providers: Fail is a sign-in there that proved nothing, Linked and Unlinked an account there that is
// or isn't a user's any more, and Logout the end of a session by its provider.
var Provider = struct{ Fail, Linked, Unlinked, Logout Kind }{
	failure("authn_provider_fail"), success("authn_link_added"), success("authn_link_removed"), success("authn_provider_logout"),
}

// Password is the change of a password.
var Password = struct{ Change, ChangeFail Kind }{
	success("authn_password_change"), failure("authn_password_change_fail"),
}

// Email is about the address of an account. Verified: its user has proven to receive mail there, or an operator has confirmed it. Changed: its user has proven to receive
// mail at another, which it is from then on. Reverted: the owner of a former address has taken the account back.
var Email = struct{ Verified, Changed, Reverted Kind }{
	success("authn_email_verified"), success("authn_email_change"), success("authn_email_revert"),
}

// Token is what happens to tokens, and to links that are used once. Reuse is a refresh token that was presented twice.
var Token = struct{ Created, Renewed, Reuse, Revoked Kind }{
	success("authn_token_created"), success("authn_token_renewed"), failure("authn_token_reuse"), success("authn_token_revoked"),
}

// Authz is about authorization. Admin is an act of an administrator that has no kind of its own, and Fail a request that the
// user may not make.
var Authz = struct{ Admin, Fail Kind }{success("authz_admin"), failure("authz_fail")}

// Privilege is a change of the permissions of a user or a group.
var Privilege = struct{ PermissionsChanged Kind }{success("privilege_permissions_changed")}

// Session is what happens to sessions. UseAfterExpire is a request with a ticket of no live session. It is no warning, since
// a browser does so whenever a session has ended. Bound is a session that counts only in its browser from then on, Unproven
// a request with the ticket of such a session and without the proof, which a browser that has lost its key sends as a thief does, and
// BindingFail one that tried to bind the session to another key, or to renew the proof without the key.
var Session = struct{ Created, Renewed, Expired, Bound, BindingFail, Unproven, UseAfterExpire Kind }{
	success("session_created"), success("session_renewed"), success("session_expired"), success("session_bound"), failure("session_binding_fail"),
	Kind{"session_unproven", slog.LevelInfo, Failure},
	Kind{"session_use_after_expire", slog.LevelInfo, Failure},
}

// User is what administrators do to accounts. Archived is a disabled account, and Compromised one that was closed to everyone
// who could get into it.
var User = struct{ Created, Updated, Archived, Compromised, Deleted Kind }{
	success("user_created"), success("user_updated"), success("user_archived"), success("user_compromised"), success("user_deleted"),
}

// Mail is what became of a message: the mail server has accepted it, has refused it for good, or didn't accept it in time.
var Mail = struct{ Sent, Refused, Expired Kind }{success("mail_sent"), failure("mail_refused"), failure("mail_expired")}

// Input is a malformed request.
var Input = struct{ ValidationFail Kind }{Kind{"input_validation_fail", slog.LevelInfo, Failure}}

// Malicious is a request that looks like an attack. CSRF is a request that another site's page may have sent.
var Malicious = struct{ CSRF Kind }{failure("malicious_csrf")}

// Sys is what happens to the server. Crash is a panic. Restored means that everything was ended that a restored database can't know
// the end of.
var Sys = struct{ Startup, Shutdown, Restored, Crash Kind }{
	success("sys_startup"), success("sys_shutdown"), success("sys_restored"), Kind{"sys_crash", slog.LevelError, Failure},
}

// leftOut says how many events were not kept. It has no line in the text log, which has those events.
var leftOut = Kind{name: "audit_events_left_out", outcome: Failure}

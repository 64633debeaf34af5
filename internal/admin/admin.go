// Package admin is the administration: what administrators do, recorded in the audit log, and the JSON in which they see it. The API
// and the command line both call it, so that they can't disagree.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/endreason"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
)

// Service changes users and groups. The rules are those of Accounts: the command line's allows everything, and one made by
// [account.Service.By] what that administrator may do. An act that fails is not recorded. A Service is safe for concurrent use.
type Service struct {
	Accounts *account.Service
	Audit    *audit.Log

	// CleanUp removes the sessions and tokens of users that an act has ended, before the act is recorded. They are dead
	// already, since the epochs have moved. Reason is one of package auth's. Nil: the caller removes them afterwards.
	CleanUp func(ctx context.Context, reason string, users ...string)

	// SecondStep has the factors of users. Only methods that remove factors need it; nil: users have none.
	SecondStep *secondstep.Service

	// Links has the accounts at other providers that are linked to users. Only SetPassword, DeclareCompromised and deletions need
	// it; nil: users have none.
	Links federation.Store

	// Invitations makes the invitations invalid that a user has made. Only DisableUser, DisableUsers and deletions need it; nil: there are none.
	Invitations interface {
		WithdrawInvitationsOf(ctx context.Context, users ...string) error
	}

	// Mail removes the links that were mailed about the account of a user, and what waits to be mailed. Only deletions need it; nil: there
	// is no mail.
	Mail interface {
		Forget(ctx context.Context, u *account.User) error
	}

	// URL returns the server's public address, with which links begin. Only methods that return a [Link] need it.
	URL func(context.Context) (string, error)
}

// Link is a one-time link on which a user sets a new password.
type Link struct {
	URL     string
	Expires time.Time
}

// CreateUser adds a user.
func (s *Service) CreateUser(ctx context.Context, n account.NewUser) (*account.User, error) {
	u, err := s.Accounts.Create(ctx, n)
	if err != nil {
		return nil, err
	}
	s.record(ctx, audit.UserKinds.Created, u, rightsChange(&account.User{}, u))
	return u, nil
}

// UndoCreate deletes a user whose creator was signed out before the answer was sent.
func (s *Service) UndoCreate(ctx context.Context, u *account.User) error {
	if err := s.Accounts.Delete(ctx, u.ID); err != nil {
		return err
	}
	s.record(ctx, audit.UserKinds.Deleted, u, slog.String("reason", "its creator's session had ended"))
	return nil
}

// EditUser changes a user in one step, and records what is different afterwards. It signs the user out nowhere.
func (s *Service) EditUser(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	var before account.User
	u, err := s.Accounts.Edit(ctx, id, func(u *account.User) error {
		before = *u
		before.UserPermissions, before.Groups = slices.Clone(u.UserPermissions), slices.Clone(u.Groups)
		return change(u)
	})
	if err != nil {
		return nil, err
	}
	if before.Extra != u.Extra {
		s.record(ctx, audit.UserKinds.Updated, u, slog.String("change", "extra"))
	}
	if before.Username != u.Username || before.Email != u.Email || before.FirstName != u.FirstName || before.LastName != u.LastName ||
		before.Language != u.Language {
		s.record(ctx, audit.UserKinds.Updated, u)
	}
	if change := rightsChange(&before, u); change.Value.String() != "" {
		s.record(ctx, audit.PrivilegeKinds.PermissionsChanged, u, change)
	}
	return u, nil
}

// DeleteUser deletes a user with everything that belongs to the account, and ends their sessions and tokens. deleted reports whether the
// account is gone, also beside an error: then something of it is left that opens nothing.
func (s *Service) DeleteUser(ctx context.Context, u *account.User) (deleted bool, err error) {
	return s.remove(ctx, u, func() error { return s.Accounts.Delete(ctx, u.ID) })
}

// DeleteOwnAccount is DeleteUser at the wish of the user, who must still be as u says. Further errors: those of [account.Service.DeleteOwn].
func (s *Service) DeleteOwnAccount(ctx context.Context, u *account.User) (deleted bool, err error) {
	return s.remove(ctx, u, func() error { return s.Accounts.DeleteOwn(ctx, u.ID, u.Epoch) }, slog.String("reason", "the user's own wish"))
}

// remove deletes a user by do.
func (s *Service) remove(ctx context.Context, u *account.User, do func() error, why ...slog.Attr) (deleted bool, err error) {
	err = s.end(ctx, audit.UserKinds.Deleted, endreason.Deleted, u, func() error {
		err := do()
		if err != nil && s.isGone(ctx, u, err) {
			return nil
		}
		return err
	}, why...)
	if err != nil {
		return false, err
	}
	// Only now: an account that stays must not lose its second factor. A link that is left by an error opens nothing, and makes room
	// when it is used. An invitation that is left is void. It doesn't end with the request, which can't be repeated.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeFor)
	defer cancel()
	_, err = s.unlink(ctx, u)
	err = errors.Join(err, s.uninvite(ctx, u.ID))
	if s.Mail != nil {
		err = errors.Join(err, s.Mail.Forget(ctx, u))
	}
	if s.SecondStep != nil {
		err = errors.Join(err, s.SecondStep.RemoveAll(ctx, u.ID))
	}
	return true, err
}

const removeFor = 10 * time.Second

// isGone reports whether a user is deleted although the deletion has failed: a commit may be done and its answer lost. After a refusal it
// doesn't look, since then it was another who has deleted the user.
func (s *Service) isGone(ctx context.Context, u *account.User, err error) bool {
	denied := account.DeniedErrors
	for _, refusal := range []error{
		account.ErrNotFound, account.ErrEpochChanged, denied.Permission, denied.Outranked, denied.SuperuserOnly, denied.OwnAccount, denied.LastAdministrator,
	} {
		if errors.Is(err, refusal) {
			return false
		}
	}
	if _, refused := errors.AsType[*account.InvalidError](err); refused {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
	defer cancel()
	_, err = s.Accounts.Store.Load(ctx, u.ID)
	return errors.Is(err, account.ErrNotFound)
}

// DisableUser keeps a user from signing in, and ends their sessions, tokens and invitations. After an error call it again.
func (s *Service) DisableUser(ctx context.Context, u *account.User) error {
	err := s.end(ctx, audit.UserKinds.Archived, endreason.Disabled, u, func() error { return s.Accounts.SetActive(ctx, u.ID, false) })
	if err != nil {
		return err
	}
	return s.uninvite(ctx, u.ID)
}

// MaxTogether is how many users [Service.DisableUsers] takes at most.
const MaxTogether = 1000

// DisableUsers is DisableUser for the users with these IDs, in one atomic step ([account.Service.DisableAll], whose result and errors it
// returns). Each user who is refused is recorded with the reason. After another error some sessions, tokens and invitations, which are void
// already, may be left; call it again.
func (s *Service) DisableUsers(ctx context.Context, ids []string) ([]account.Disabled, error) {
	all, err := s.Accounts.DisableAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	var disabled []string
	for _, d := range all {
		if d.Err == nil {
			disabled = append(disabled, d.ID)
		} else {
			s.Audit.Refuse(ctx, slog.String("user", LogText(d.ID)), slog.String("reason", d.Err.Error()))
		}
	}
	if len(disabled) == 0 {
		return all, nil
	}
	if s.CleanUp != nil {
		s.CleanUp(ctx, endreason.Disabled, disabled...)
	}
	for _, d := range all {
		switch {
		case d.Err != nil: // is recorded already
		case d.Already:
			s.record(ctx, audit.UserKinds.Archived, d.User, slog.String("reason", "was disabled before"))
		default:
			s.record(ctx, audit.UserKinds.Archived, d.User)
		}
	}
	return all, s.uninvite(ctx, disabled...)
}

// uninvite withdraws the invitations of users. They are void already, and must not count again if a user is enabled.
func (s *Service) uninvite(ctx context.Context, users ...string) error {
	if s.Invitations == nil {
		return nil
	}
	return s.Invitations.WithdrawInvitationsOf(ctx, users...)
}

// EnableUser lets a disabled user sign in again. Sessions from before stay ended.
func (s *Service) EnableUser(ctx context.Context, u *account.User) error {
	if err := s.Accounts.SetActive(ctx, u.ID, true); err != nil {
		return err
	}
	s.record(ctx, audit.UserKinds.Updated, u, slog.String("change", "enabled"))
	return nil
}

// PasswordOptions is a password that an administrator gives a user.
type PasswordOptions struct {
	Password    string
	KeepFactors bool // authenticator apps, passkeys, security keys, recovery codes and links to other providers stay

	Changed func() // is called once the password is another, before anything is removed; nil: nothing is called
}

// SetPassword gives a user another password, which ends their sessions and tokens, and removes everything else that the account can be
// entered with, unless it is to be kept: an attacker may have added it. removed reports whether anything was removed, also beside an error.
// On one's own account factors are always kept ([account.DeniedErrors].OwnAccount), and its owner removes them one by one. After an error the
// password may be the new one while factors are left; call it again.
func (s *Service) SetPassword(ctx context.Context, u *account.User, n PasswordOptions) (removed bool, err error) {
	if actor, ok := s.Accounts.Actor(); ok && actor.ID == u.ID && !n.KeepFactors {
		return false, account.DeniedErrors.OwnAccount
	}
	var kept []slog.Attr
	if n.KeepFactors {
		kept = append(kept, slog.String("kept", "factors"))
	}
	err = s.end(ctx, audit.PasswordKinds.Change, endreason.PasswordChanged, u, func() error { return s.Accounts.SetPassword(ctx, u.ID, n.Password) }, kept...)
	if err == nil && n.Changed != nil {
		n.Changed()
	}
	if err != nil || n.KeepFactors {
		return false, err
	}
	// Only now: while the former password counted, a second factor that was missing would have let it in alone.
	removed, err = s.RemoveWaysIn(ctx, u, func() error { return s.Accounts.RevokeAll(ctx, u.ID) })
	if removed { // a call after an error may find nothing left to record
		s.record(ctx, audit.SecondFactorKinds.Removed, u, slog.String("kind", "all"))
		s.cleanUp(ctx, u, endreason.PasswordChanged)
	}
	return removed, err
}

// RemoveWaysIn removes all factors, recovery codes, pending sign-ins and links of a user whose epoch has moved just before, so that nothing
// from before counts. What it removes may have signed someone in at the new epoch meanwhile, who may have added more. So as long as something
// was removed, end moves the epoch again, and it is looked for more. removed reports whether a factor, code or link is gone, also beside an
// error. After an error something may be left; call it again.
func (s *Service) RemoveWaysIn(ctx context.Context, u *account.User, end func() error) (removed bool, err error) {
	for range mostRounds {
		more, err := s.removeFactors(ctx, u)
		removed = removed || more
		if err != nil || !more {
			return removed, err
		}
		if err := end(); err != nil {
			return true, err
		}
	}
	return true, errors.New("remove the ways into an account: more are added all the time")
}

const mostRounds = 10 // each of which an attacker must have used to sign in and to add something

// removeFactors removes all factors, recovery codes, pending sign-ins and links of a user, and reports whether a factor, code or link is
// gone, also beside an error. If a store doesn't say so, they count as gone: the user is told once too often rather than never.
func (s *Service) removeFactors(ctx context.Context, u *account.User) (removed bool, err error) {
	return removing(ctx, u, s.waysInto, func() (int, error) {
		unlinked, err := s.unlink(ctx, u)
		if err == nil && s.SecondStep != nil {
			err = s.SecondStep.RemoveAll(ctx, u.ID)
		}
		return unlinked, err
	})
}

// removing calls remove, and reports whether fewer are left than before, as count says, also beside an error. remove returns how many it has
// surely removed.
func removing(
	ctx context.Context, u *account.User, count func(context.Context, *account.User) (int, error), remove func() (int, error),
) (removed bool, err error) {
	before, err := count(ctx, u)
	if err != nil {
		return false, err
	}
	surely, err := remove()
	if err == nil || before == 0 || surely > 0 {
		return before > 0 || surely > 0, err
	}
	again, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
	defer cancel()
	after, unknown := count(again, u)
	return unknown != nil || after < before, err
}

const lookFor = 5 * time.Second

// waysInto returns how many factors, recovery codes and links a user has.
func (s *Service) waysInto(ctx context.Context, u *account.User) (n int, err error) {
	if s.Links != nil {
		links, err := s.Links.List(ctx, u.ID)
		if err != nil {
			return 0, err
		}
		n = len(links)
	}
	factors, err := s.factorsOf(ctx, u)
	return n + factors, err
}

// factorsOf returns how many factors and recovery codes a user has.
func (s *Service) factorsOf(ctx context.Context, u *account.User) (n int, err error) {
	if s.SecondStep == nil || s.SecondStep.Factors == nil {
		return 0, nil
	}
	p, err := s.SecondStep.Factors.Load(ctx, u.ID)
	if err != nil {
		return 0, err
	}
	return len(p.Factors) + p.RecoveryCodes, nil
}

// RevokeAll ends all sessions and tokens of a user.
func (s *Service) RevokeAll(ctx context.Context, u *account.User) error {
	return s.end(ctx, audit.TokenKinds.Revoked, endreason.Administrator, u, func() error { return s.Accounts.RevokeAll(ctx, u.ID) },
		slog.String("kind", "everything"))
}

// RemoveFactors removes all factors and recovery codes of a user, and ends all sessions and tokens of the user. It isn't possible
// on one's own account, whose owner removes factors one by one. removed reports whether the user is to be told: a factor or a code is gone, also
// beside an error, or there was none. After an error everything may have ended while factors are left; call it again.
func (s *Service) RemoveFactors(ctx context.Context, u *account.User) (removed bool, err error) {
	if actor, ok := s.Accounts.Actor(); ok && actor.ID == u.ID {
		return false, account.DeniedErrors.OwnAccount
	}
	// The first call checks the administrator's rights in the step that writes, before the factors are gone. The second ends what
	// was signed in while they were.
	if err := s.Accounts.RevokeAll(ctx, u.ID); err != nil {
		return false, err
	}
	removed, err = removing(ctx, u, s.factorsOf, func() (int, error) { return 0, s.SecondStep.RemoveAll(ctx, u.ID) })
	s.cleanUp(ctx, u, endreason.Administrator)
	if err != nil && !removed {
		s.record(ctx, audit.TokenKinds.Revoked, u, slog.String("kind", "everything"))
		return false, err
	}
	s.record(ctx, audit.SecondFactorKinds.Removed, u, slog.String("kind", "all"))
	if err != nil {
		return true, err
	}
	if err := s.Accounts.RevokeAll(ctx, u.ID); err != nil {
		return true, err
	}
	s.cleanUp(ctx, u, endreason.Administrator)
	return true, nil
}

// ResetLink makes a one-time link on which a user sets a new password, and makes earlier ones invalid. Until it is used nothing else
// changes.
func (s *Service) ResetLink(ctx context.Context, u *account.User) (Link, error) {
	return s.link(ctx, u, s.Accounts.ResetSecret)
}

// Compromised says what stays of an account that is declared compromised.
type Compromised struct {
	KeepFactors bool // authenticator apps, passkeys, security keys, recovery codes and links to other providers
}

// DeclareCompromised takes an account away from everyone who can get into it: all of the user's sessions and tokens end, the
// password, all factors and earlier links no longer count, and the link that it returns is the only way in. If factors are kept, a
// passkey is another. A disabled user stays disabled; the link works once the user is enabled. After an error the account is as
// before, or can't be signed in to, while the link is unknown; call it again.
func (s *Service) DeclareCompromised(ctx context.Context, u *account.User, c Compromised) (Link, error) {
	return s.link(ctx, u, func(ctx context.Context, id string) (secret string, expires time.Time, err error) {
		secret, expires, err = s.Accounts.DeclareCompromised(ctx, id)
		if secret == "" && err != nil {
			return "", time.Time{}, err
		}
		var kept []slog.Attr
		if c.KeepFactors {
			kept = append(kept, slog.String("kept", "factors"))
		}
		s.record(ctx, audit.UserKinds.Compromised, u, kept...) // it has happened, whatever fails from here on
		left := err                                            // what was mailed may be left
		if c.KeepFactors {
			s.cleanUp(ctx, u, endreason.Administrator)
			if s.SecondStep != nil {
				err = s.SecondStep.EndPending(ctx, id)
			}
			return secret, expires, errors.Join(left, err)
		}
		// Only now: while the password counted, a second factor that was missing would have let it in alone.
		_, err = s.RemoveWaysIn(ctx, u, func() (err error) {
			secret, expires, err = s.Accounts.DeclareCompromised(ctx, id)
			return err
		})
		s.cleanUp(ctx, u, endreason.Administrator)
		return secret, expires, errors.Join(left, err)
	})
}

// link makes a link with a secret of [account.Service], and records it.
func (s *Service) link(ctx context.Context, u *account.User, secret func(context.Context, string) (string, time.Time, error)) (Link, error) {
	base, err := s.URL(ctx)
	if err != nil {
		return Link{}, err
	}
	text, expires, err := secret(ctx, u.ID)
	if err != nil {
		return Link{}, err
	}
	s.record(ctx, audit.TokenKinds.Created, u, slog.String("kind", "reset"))
	return Link{base + "/auth/reset#" + text, expires}, nil
}

// end does an act that moves the user's epoch, removes what has ended by it, and records it.
func (s *Service) end(ctx context.Context, kind audit.Kind, reason string, u *account.User, do func() error, more ...slog.Attr) error {
	if err := do(); err != nil {
		return err
	}
	s.cleanUp(ctx, u, reason)
	s.record(ctx, kind, u, more...)
	return nil
}

// unlink removes the links of a user, and returns how many there were.
func (s *Service) unlink(ctx context.Context, u *account.User) (int, error) {
	if s.Links == nil {
		return 0, nil
	}
	return s.Links.DeleteUser(ctx, u.ID)
}

func (s *Service) cleanUp(ctx context.Context, u *account.User, reason string) {
	if s.CleanUp != nil {
		s.CleanUp(ctx, reason, u.ID)
	}
}

func (s *Service) record(ctx context.Context, kind audit.Kind, u *account.User, more ...slog.Attr) {
	s.Audit.Record(ctx, kind, append(AboutUser(u), more...)...)
}

// AboutUser returns the attributes that name a user in the audit log.
func AboutUser(u *account.User) []slog.Attr {
	return []slog.Attr{slog.String("user", u.ID), slog.String("login", LogText(u.Username))}
}

func rightsChange(before, after *account.User) slog.Attr {
	return slog.String("change", LogText(after.DescribeRightsChange(before)))
}

// LogText shortens a text that a stranger may have written, and replaces what isn't printable: JSON keeps characters such as
// U+009B, which begins a control sequence of a terminal, and U+202E, which turns the line around.
func LogText(s string) string {
	const most = 150
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

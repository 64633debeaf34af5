package letters

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// deleted is the kind of the message about an account that its user has deleted.
const deleted = "account_deleted"

// Deletion is a deletion of an account that is about to happen. Call Done or Undone once; after neither, the user is told if it has
// happened. A nil Deletion tells no one.
type Deletion struct{ notice *outbox.Held }

// Deleting prepares to tell a user that the account was deleted. It is stored before the deletion, so that a crash right after that doesn't
// lose it. It does nothing for users without an address.
func (s *Service) Deleting(ctx context.Context, u *account.User, about About) (*Deletion, error) {
	if !s.Available() || u.Email == "" {
		return nil, nil
	}
	r := s.requestFor(u, deleted, u.Email, about)
	r.User, r.Data = u.ID, map[string]string{"name": u.Username}
	notice, err := s.Outbox.Hold(ctx, r, noticeLife)
	if err != nil {
		return nil, err
	}
	return &Deletion{notice}, nil
}

// Done has the user told.
func (d *Deletion) Done(ctx context.Context) error {
	if d == nil {
		return nil
	}
	return d.notice.Release(ctx)
}

// Undone forgets the deletion, which hasn't happened and won't.
func (d *Deletion) Undone(ctx context.Context) error {
	if d == nil {
		return nil
	}
	return d.notice.Drop(ctx)
}

// writeDeleted writes to the address of a deleted account; nil if it wasn't deleted.
func (s *Service) writeDeleted(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	if r.Held {
		switch _, err := s.Accounts.Store.Load(ctx, r.User); {
		case err == nil:
			return nil, nil
		case !errors.Is(err, account.ErrNotFound):
			return nil, err
		}
	}
	return s.message(r, deleted, base, map[string]string{"name": harmless(r.Data["name"])}), nil
}

// Forget removes what is left of the mail of a deleted user: the secrets of links and codes, and the messages that wait with one. What
// tells of something that has happened is still sent, so that an intruder can't keep it from the user by deleting the account.
func (s *Service) Forget(ctx context.Context, u *account.User) error {
	if s == nil || s.Secrets == nil {
		return nil
	}
	var all []error
	for _, kind := range []string{
		kindReset, kindVerify, kindChange, kindRevert, string(ToSignIn), string(ToEnrol), string(ToReauth),
	} {
		all = append(all, s.Secrets.DeleteSecretsOf(ctx, u.ID, kind))
	}
	if s.Outbox != nil {
		all = append(all, s.Outbox.Withdraw(ctx, func(r outbox.Request) bool { return isAbout(r, u) && !tells(r.Kind) }))
	}
	return errors.Join(all...)
}

// isAbout reports whether a message is about the account of u. One that was asked for by an address names no user.
func isAbout(r outbox.Request, u *account.User) bool {
	if r.User != "" {
		return r.User == u.ID
	}
	asked := r.Kind == forgot || r.Kind == string(ToSignIn)
	return asked && u.Email != "" && account.CanonicalLogin(r.To) == account.CanonicalLogin(u.Email)
}

// tells reports whether messages of a kind say what has happened to an account, and ask for nothing.
func tells(kind string) bool {
	if _, ok := notices[Notice(kind)]; ok {
		return true
	}
	return kind == changed || kind == moved || kind == deleted
}

package letters

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// The kinds of requests about a change of the address.
const (
	change  = "change"        // to the new address
	changed = "email_changed" // to the former one, once it is done
	moved   = "email_moved"   // likewise, after an administrator has done it
)

const (
	changeLife = 24 * time.Hour // that of the link to the new address
	revertLife = 72 * time.Hour // that of the link to the former address, since the change
)

// ChangeEmail sends a link to an address that a signed-in user wants to have, with which the user proves to receive mail there. The
// address of the account stays until then. What happens doesn't tell whether the address is another account's. An earlier such link of
// the user becomes invalid when the message is written. *[throttle.QuotaError] if the user, or this address, has had too many messages.
func (s *Service) ChangeEmail(ctx context.Context, u *account.User, address string, about About) error {
	quota := append(quotas(quotaAddress, account.CanonicalLogin(address)), quotas(quotaUser, u.ID)...)
	if err := s.Guard.Spend(ctx, quota...); err != nil {
		return err
	}
	r := s.request(change, address, about)
	r.User, r.Data = u.ID, map[string]string{"epoch": u.Epoch, "from": u.Email}
	return s.Outbox.Put(ctx, r, changeLife)
}

// writeChange writes to the new address; if it is another account's, that none can be made of it, without a link.
func (s *Service) writeChange(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	u, err := orNone(s.Accounts.Store.Load(ctx, r.User))
	if err != nil || u == nil || !u.IsActive || u.Epoch != r.Data["epoch"] || u.Email != r.Data["from"] {
		return nil, err
	}
	// The latest wish counts: what was mailed before, perhaps to an address with a mistake in it, must not.
	if err := s.Secrets.DeleteSecretsOf(ctx, u.ID, kindChange); err != nil {
		return nil, err
	}
	other, err := orNone(s.Accounts.Store.Find(ctx, account.CanonicalLogin(r.To)))
	if err != nil {
		return nil, err
	}
	if other != nil && other.ID != u.ID {
		r.User = "" // it goes to another person
		s.speakTo(other, r)
		return s.message(r, "change_taken", base, map[string]string{"link": base + "/signin"}), nil
	}
	s.speakTo(u, r)
	secret, err := s.newSecret(ctx, kindChange, u.ID, u.Epoch, r.To, changeLife)
	if err != nil {
		return nil, err
	}
	return s.message(r, change, base, map[string]string{"name": harmless(u.Username), "link": base + "/auth/verify#" + secret}), nil
}

// WantedEmail returns the address to which a link of [Service.ChangeEmail] with this secret was mailed; "" if it is no such link.
// [ErrLink] if it is, and isn't the user's or isn't valid any more.
func (s *Service) WantedEmail(ctx context.Context, u *account.User, secret string) (string, error) {
	found, address, err := s.findSecret(ctx, kindChange, secret)
	switch {
	case errors.Is(err, ErrLink):
		return "", nil
	case err != nil:
		return "", err
	case found.User != u.ID || found.Epoch != u.Epoch:
		return "", ErrLink
	}
	return address, nil
}

// Change is a change of an address that is about to happen. Call Done or Undone once; after neither, the former address is told if the
// change has happened.
type Change struct {
	letters *Service
	user    string
	notice  *outbox.Held // nil: there is no former address to tell
	secret  string       // of the link for the former address; "": it gets none
}

// Changing prepares to tell the former address of a user that the account has another one. If the former one is proven, its owner gets a
// link with which the change can be reverted within three days. Both are stored before the change, so that a crash right after it doesn't
// lose them.
func (s *Service) Changing(ctx context.Context, before *account.User, address string, about About) (*Change, error) {
	c := &Change{letters: s, user: before.ID}
	if before.Email == "" || account.CanonicalLogin(before.Email) == account.CanonicalLogin(address) {
		return c, nil
	}
	name, err := s.Accounts.UsernameAfterEmailChange(before, address)
	if err != nil {
		return nil, err
	}
	r := s.requestFor(before, changed, before.Email, about)
	r.User, r.Data = before.ID, map[string]string{"name": name, "wanted": address}
	if before.HasProvenEmail() {
		since := time.Now()
		text := before.Email + "\n" + strconv.FormatInt(since.Unix(), 10) + "\n" + name
		expires, err := s.revertEnd(ctx, before.ID, since)
		if err != nil {
			return nil, err
		}
		if c.secret, err = s.newSecretUntil(ctx, kindRevert, before.ID, "", text, expires); err != nil {
			return nil, err
		}
		r.Data["secret"] = c.secret
	}
	if c.notice, err = s.Outbox.Hold(ctx, r, revertLife); err != nil {
		return nil, err
	}
	return c, nil
}

// revertEnd returns when a link to a former address expires. It is after the end of every earlier one of the user, so that these times tell
// which link is about an earlier change.
func (s *Service) revertEnd(ctx context.Context, user string, since time.Time) (time.Time, error) {
	end := since.Add(revertLife).Unix()
	all, err := s.Secrets.SecretsOf(ctx, user, kindRevert)
	if err != nil {
		return time.Time{}, err
	}
	for _, earlier := range all {
		end = max(end, earlier.Expires+1)
	}
	return time.Unix(end, 0), nil
}

// endLaterReverts makes the links of a user void that were mailed for later changes of the address than this one: the addresses that
// they went to are an attacker's. Links of earlier changes stay.
func (s *Service) endLaterReverts(ctx context.Context, than *mail.LinkSecret) error {
	all, err := s.Secrets.SecretsOf(ctx, than.User, kindRevert)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Expires > than.Expires {
			if err := s.spend(ctx, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// Done has the former address told, and uses up the links that were mailed to the new one.
func (c *Change) Done(ctx context.Context) error {
	var err error
	if c.notice != nil {
		err = c.notice.Release(ctx)
	}
	return errors.Join(err, c.letters.Secrets.DeleteSecretsOf(ctx, c.user, kindChange))
}

// Undone forgets the change, which hasn't happened and won't.
func (c *Change) Undone(ctx context.Context) error {
	if c.notice == nil {
		return nil
	}
	return errors.Join(c.notice.Drop(ctx), c.letters.forget(ctx, c.secret))
}

// forget deletes a secret, if there is one.
func (s *Service) forget(ctx context.Context, secret string) error {
	if secret == "" {
		return nil
	}
	return s.spend(ctx, &mail.LinkSecret{Hash: hashOf(secret)})
}

func (s *Service) writeChanged(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	secret := r.Data["secret"]
	if r.Held {
		switch u, err := s.Accounts.Store.Load(ctx, r.User); {
		case errors.Is(err, account.ErrNotFound), err == nil && u.Email != r.Data["wanted"]: // it hasn't happened
			return nil, s.forget(ctx, secret)
		case err != nil:
			return nil, err
		}
	}
	values := map[string]string{"name": harmless(r.Data["name"]), "link": base + "/signin"}
	// Without a link if the former address wasn't proven: it may be a stranger's, who must not get the account. And without one if the
	// account was taken back meanwhile, which has deleted the secret.
	if secret == "" {
		return s.message(r, "email_changed_unproven", base, values), nil
	}
	switch _, _, err := s.findSecret(ctx, kindRevert, secret); {
	case errors.Is(err, ErrLink):
		return s.message(r, "email_changed_unproven", base, values), nil
	case err != nil:
		return nil, err
	}
	values["link"] = base + "/auth/revert#" + secret
	return s.message(r, changed, base, values), nil
}

// Moving prepares to tell the address of a user that an administrator gives the account another one. It is [account.Service.Moving].
func (s *Service) Moving(ctx context.Context, before *account.User, address string) (func(context.Context), error) {
	if !s.Available() || before.Email == "" || account.CanonicalLogin(before.Email) == account.CanonicalLogin(address) {
		return func(context.Context) {}, nil
	}
	r := s.requestFor(before, moved, before.Email, About{}) // the user isn't told where the administrator was
	r.User, r.Data = before.ID, map[string]string{"name": before.Username, "wanted": address}
	notice, err := s.Outbox.Hold(ctx, r, noticeLife)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endFor)
		defer cancel()
		if err := notice.Release(ctx); err != nil { // it is sent a little later
			s.Log.LogAttrs(ctx, slog.LevelWarn, "former address not told at once", slog.String("user", before.ID), slog.Any("error", err))
		}
	}, nil
}

// writeMoved writes to the former address of an account; nil if the account hasn't got another one.
func (s *Service) writeMoved(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	if r.Held {
		switch u, err := s.Accounts.Store.Load(ctx, r.User); {
		case errors.Is(err, account.ErrNotFound), err == nil && u.Email != r.Data["wanted"]:
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
	return s.message(r, moved, base, map[string]string{"name": harmless(r.Data["name"]), "link": base + "/signin"}), nil
}

// EndChanges makes the links of a user invalid that were mailed for a change of the address, to new and to former addresses: whatever an
// attacker has had changed must not bring the account back to the attacker. The invitations that the user has made end as well. It is
// [account.Service.EndMailed].
func (s *Service) EndChanges(ctx context.Context, user string) error {
	// What it follows is written, so it doesn't end with the request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endFor)
	defer cancel()
	return errors.Join(
		s.Secrets.DeleteSecretsOf(ctx, user, kindRevert), s.Secrets.DeleteSecretsOf(ctx, user, kindChange), s.WithdrawInvitationsOf(ctx, user))
}

const endFor = 5 * time.Second

// revert gives the account back if the secret still counts in the step that writes: an administrator who takes the account in hand deletes
// the secret first, and then changes the epoch or the address. So do the links of later changes end, before the account is written.
func (s *Service) revert(ctx context.Context, secret, user, name, told, address string) (reset string, expires time.Time, err error) {
	for range mostTries {
		u, err := s.Accounts.Store.Load(ctx, user)
		if err != nil {
			return "", time.Time{}, err
		}
		found, _, err := s.findSecret(ctx, kindRevert, secret)
		if err != nil {
			return "", time.Time{}, err
		}
		if err := u.CheckRevert(name, told); err != nil {
			return "", time.Time{}, err
		}
		if err := s.endLaterReverts(ctx, found); err != nil {
			return "", time.Time{}, err
		}
		reset, expires, err = s.Accounts.RevertEmail(ctx, u, name, told, address)
		if !errors.Is(err, account.ErrEpochChanged) {
			return reset, expires, err
		}
	}
	return "", time.Time{}, errors.New("revert a change of the address: the account keeps changing")
}

const mostTries = 10 // of a step that an account that has changed meanwhile refuses

// Revert undoes a change of the address, with the secret that was mailed to the former one and the user's name, so that opening the link
// does nothing by itself. The account has the former address again, which counts as proven, and can be entered by the reset secret alone
// that Revert returns. clean removes what else was added to the account since a time, in Unix seconds, and reports whether there was anything
// that signs someone in. It may have signed the attacker in meanwhile, who may have added more; so everything is ended again, and clean called
// again, until it finds nothing. Revert makes the links of later changes
// void, and leaves those of earlier ones: whichever is used first, the earliest wins. After an error of clean the secret can be used again.
// [ErrLink]; [account.AddressErrors].WrongName, *[throttle.Error], which leave all as it is.
func (s *Service) Revert(
	ctx context.Context, secret, name string, from netip.Addr, clean func(u *account.User, since int64) (removed bool, err error),
) (reset string, err error) {
	found, text, err := s.findSecret(ctx, kindRevert, secret)
	if err != nil {
		return "", err
	}
	address, rest, _ := strings.Cut(text, "\n")
	time, told, _ := strings.Cut(rest, "\n")
	since, err := strconv.ParseInt(time, 10, 64)
	if err != nil {
		return "", err
	}
	try, err := s.Guard.Reserve(ctx, throttle.Attempt{Account: "revert:" + hex.EncodeToString(found.Hash[:8]), Address: from})
	if err != nil {
		return "", err
	}
	defer try.Undo(ctx)
	reset, expires, err := s.revert(ctx, secret, found.User, name, told, address)
	switch {
	case errors.Is(err, account.AddressErrors.WrongName):
		_ = try.Failed(ctx) // Failed always returns nil
		return "", err
	case err != nil:
		return "", linkError(err)
	}
	s.Audit.Record(ctx, audit.EmailKinds.Reverted, slog.String("user", found.User))
	var u *account.User
	for rounds := 0; ; rounds++ {
		if u, err = s.Accounts.Store.Load(ctx, found.User); err != nil {
			return "", err
		}
		// The secret ends when the account gets another address, as one does that was mailed.
		if err := s.putSecret(ctx, kindReset, reset, u.ID, u.Epoch, address, expires); err != nil {
			return "", err
		}
		removed, err := clean(u, since)
		if err != nil {
			return "", err
		}
		if !removed {
			break
		}
		if rounds == mostTries {
			return "", errors.New("revert a change of the address: more ways into the account are added all the time")
		}
		if reset, expires, err = s.revert(ctx, secret, u.ID, u.Username, told, address); err != nil {
			return "", linkError(err)
		}
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("kind", kindReset), slog.String("user", u.ID), slog.String("method", "revert"))
	// Links to addresses that the account has had since are an attacker's.
	if err := errors.Join(s.Secrets.DeleteSecretsOf(ctx, u.ID, kindChange), s.WithdrawInvitationsOf(ctx, u.ID)); err != nil {
		return "", err
	}
	return reset, s.spend(ctx, found)
}

// linkError returns [ErrLink] for the reasons why an account can't be given back.
func linkError(err error) error {
	if errors.Is(err, account.ErrNotFound) || errors.Is(err, account.ErrDisabled) || errors.Is(err, account.AddressErrors.Taken) {
		return ErrLink
	}
	return err
}

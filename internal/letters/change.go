package letters

import (
	"context"
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
)

const (
	changeLife = 24 * time.Hour // that of the link to the new address
	revertLife = 72 * time.Hour // that of the link to the former address, since the change
)

// ChangeEmail sends a link to an address that a signed-in user wants to have, with which the user proves to receive mail there. The
// address of the account stays until then. What happens doesn't tell whether the address is another account's. An earlier such link of
// the user becomes invalid when the message is written. *[throttle.QuotaError] if the user, or this address, has had too many messages.
func (s *Service) ChangeEmail(ctx context.Context, u *account.User, address string, about About) error {
	name := account.CanonicalLogin(address)
	err := s.Guard.Spend(ctx,
		throttle.Quota{Kind: quotaAddress, Of: name, Most: perQuarter, Within: 15 * time.Minute},
		throttle.Quota{Kind: quotaAddress + "-day", Of: name, Most: perDay, Within: 24 * time.Hour},
		throttle.Quota{Kind: "mail-user", Of: u.ID, Most: perQuarter, Within: 15 * time.Minute},
		throttle.Quota{Kind: "mail-user-day", Of: u.ID, Most: perDay, Within: 24 * time.Hour},
	)
	if err != nil {
		return err
	}
	r := s.request(change, address, about)
	r.User, r.Data = u.ID, map[string]string{"epoch": u.Epoch}
	return s.Outbox.Put(ctx, r, changeLife)
}

// writeChange writes to the new address; if it is another account's, that none can be made of it, without a link.
func (s *Service) writeChange(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	u, err := s.Accounts.Store.Load(ctx, r.User)
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !u.IsActive || u.Epoch != r.Data["epoch"] {
		return nil, nil
	}
	// The latest wish counts: what was mailed before, perhaps to an address with a mistake in it, must not.
	if err := s.Secrets.DeleteSecretsOf(ctx, u.ID, kindChange); err != nil {
		return nil, err
	}
	other, err := s.Accounts.Store.Find(ctx, account.CanonicalLogin(r.To))
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return nil, err
	}
	if err == nil && other.ID != u.ID {
		r.User = "" // it goes to another person
		return s.message(r, "change_taken", base, map[string]string{"link": base + "/signin"}), nil
	}
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

// Changed tells the former address of an account that its user has another one now. If the former one was proven, its owner gets a link
// with which the change can be reverted within three days. It uses up the link that was mailed to the new address.
func (s *Service) Changed(ctx context.Context, before, after *account.User, about About) error {
	if err := s.Secrets.DeleteSecretsOf(ctx, after.ID, kindChange); err != nil {
		return err
	}
	if before.Email == "" || account.CanonicalLogin(before.Email) == account.CanonicalLogin(after.Email) {
		return nil
	}
	r := s.request(changed, before.Email, about)
	r.User = before.ID
	r.Data = map[string]string{"name": before.Username, "since": strconv.FormatInt(time.Now().Unix(), 10)}
	if before.HasProvenEmail() {
		r.Data["proven"] = "true"
	}
	return s.Outbox.Put(ctx, r, revertLife)
}

func (s *Service) writeChanged(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	values := map[string]string{"name": harmless(r.Data["name"]), "link": base + "/signin"}
	if r.Data["proven"] == "" { // It may be a stranger's, who must not get the account.
		return s.message(r, "email_changed_unproven", base, values), nil
	}
	since, err := strconv.ParseInt(r.Data["since"], 10, 64)
	if err != nil {
		return nil, err
	}
	secret, err := s.newSecretUntil(ctx, kindRevert, r.User, "", r.To+"\n"+r.Data["since"], time.Unix(since, 0).Add(revertLife))
	if err != nil {
		return nil, err
	}
	values["link"] = base + "/auth/revert#" + secret
	return s.message(r, changed, base, values), nil
}

// Revert undoes a change of the address, with the secret that was mailed to the former one and the user's name, so that opening the link
// does nothing by itself. The account has the former address again, which counts as proven, and can be entered by the reset secret alone
// that Revert returns. clean removes what else was added to the account since a time, in Unix seconds. After an error of clean the secret
// can be used again. [ErrLink]; [account.ErrWrongName], *[throttle.Error], which leave all as it is.
func (s *Service) Revert(
	ctx context.Context, secret, name string, from netip.Addr, clean func(u *account.User, since int64) error,
) (reset string, err error) {
	found, text, err := s.findSecret(ctx, kindRevert, secret)
	if err != nil {
		return "", err
	}
	address, time, _ := strings.Cut(text, "\n")
	since, err := strconv.ParseInt(time, 10, 64)
	if err != nil {
		return "", err
	}
	try, err := s.Guard.Reserve(ctx, throttle.Attempt{Account: "revert:" + found.User, Address: from})
	if err != nil {
		return "", err
	}
	defer try.Undo(ctx)
	reset, _, err = s.Accounts.RevertEmail(ctx, found.User, name, address)
	switch {
	case errors.Is(err, account.ErrWrongName):
		_ = try.Failed(ctx) // Failed always returns nil
		return "", err
	case errors.Is(err, account.ErrNotFound), errors.Is(err, account.ErrDisabled), errors.Is(err, account.ErrAddressTaken):
		return "", ErrLink
	case err != nil:
		return "", err
	}
	u, err := s.Accounts.Store.Load(ctx, found.User)
	if err != nil {
		return "", err
	}
	if err := clean(u, since); err != nil {
		return "", err
	}
	s.Audit.Record(ctx, audit.Email.Reverted, slog.String("user", u.ID))
	s.Audit.Record(ctx, audit.Token.Created, slog.String("kind", kindReset), slog.String("user", u.ID), slog.String("method", "revert"))
	// Links to addresses that the account has had since are an attacker's.
	if err := s.Secrets.DeleteSecretsOf(ctx, u.ID, kindChange); err != nil {
		return "", err
	}
	return reset, s.Secrets.DeleteSecretsOf(ctx, u.ID, kindRevert)
}

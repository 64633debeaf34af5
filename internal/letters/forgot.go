package letters

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// forgot is the kind of the request of a person who has forgotten a password.
const forgot = "forgot"

const (
	forgotLife = time.Hour // that of the link
	perQuarter = 3         // messages to one address in 15 minutes that strangers cause
	perDay     = 10        // and in a day
)

// Forgot sends a link for a new password to an address, if it is that of an account. What Forgot does, and so how long it takes,
// depends on what was typed and on the network alone: the account is looked up when the message is written. If too many messages were
// asked for to this address it does nothing. *[throttle.QuotaError] if too many came from this network, or altogether.
func (s *Service) Forgot(ctx context.Context, address string, from netip.Addr, about About) error {
	sent, err := s.admit(ctx, address, from)
	if err != nil || !sent {
		return err
	}
	return s.Outbox.Put(ctx, s.request(forgot, address, about), forgotLife)
}

// admit counts a message to an address that a stranger causes. It reports false if the address has had enough of them.
func (s *Service) admit(ctx context.Context, address string, from netip.Addr) (bool, error) {
	err := s.Guard.Spend(ctx, append([]throttle.Quota{
		{Kind: quotaNetwork, Of: throttle.Network(from), Most: max(s.PerHour/10, 1), Within: time.Hour},
		{Kind: "mail-strangers", Most: max(s.PerHour/2, 1), Within: time.Hour},
	}, quotas(quotaAddress, account.CanonicalLogin(address))...)...)
	if full, ok := errors.AsType[*throttle.QuotaError](err); ok && (full.Quota.Kind == quotaAddress || full.Quota.Kind == quotaAddress+"-day") {
		return false, nil
	}
	return err == nil, err
}

const (
	quotaNetwork = "mail-network"
	quotaAddress = "mail-address"
	quotaUser    = "mail-user"
)

// quotas limit the messages to one address or of one user.
func quotas(kind, of string) []throttle.Quota {
	return []throttle.Quota{
		{Kind: kind, Of: of, Most: perQuarter, Within: 15 * time.Minute},
		{Kind: kind + "-day", Of: of, Most: perDay, Within: 24 * time.Hour},
	}
}

// orNone returns nil and no error for an account that isn't there.
func orNone(u *account.User, err error) (*account.User, error) {
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	return u, err
}

// writeForgot writes to the account whose address was typed; nil if there is none, or if it is disabled. The message goes to the address
// that the account has, never to what was typed.
func (s *Service) writeForgot(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	if s.Accounts.Resets != nil {
		return s.writeSharedForgot(ctx, r, base)
	}
	for range mostTries {
		m, err := s.tryForgot(ctx, r, base)
		if !errors.Is(err, account.ErrEpochChanged) {
			return m, err
		}
	}
	return nil, errors.New("mail a link for a new password: the account keeps changing")
}

// tryForgot is writeForgot, but [account.ErrEpochChanged] if the account has changed since it was read: the link must not replace that of
// an administrator who has declared the account compromised meanwhile.
func (s *Service) tryForgot(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	u, err := orNone(s.Accounts.Store.Find(ctx, account.CanonicalLogin(r.To)))
	if err != nil || u == nil || !u.IsActive || account.CanonicalLogin(u.Email) != account.CanonicalLogin(r.To) {
		return nil, err
	}
	r.User, r.To = u.ID, u.Email
	s.speakTo(u, r)
	values := map[string]string{"name": harmless(u.Username)}
	if !u.HasPassword() && (u.PasswordWithheld || !u.HasProvenEmail()) {
		values["link"] = base + "/signin"
		return s.message(r, "no_password", base, values), nil
	}
	secret, expires, err := s.Accounts.ResetSecretIfUnchanged(ctx, u)
	if errors.Is(err, account.ErrDisabled) || errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.putSecret(ctx, kindReset, secret, u.ID, u.Epoch, u.Email, expires); err != nil {
		return nil, err
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("kind", "reset"), slog.String("user", u.ID), slog.String("method", "mail"))
	values["link"] = base + "/auth/reset#" + secret
	switch {
	case !u.HasProvenEmail():
		return s.message(r, "reset_first", base, values), nil
	case !u.HasPassword():
		return s.message(r, "first_password", base, values), nil
	}
	return s.message(r, "reset", base, values), nil
}

const (
	mostAccounts = 5  // of one address, which one message has links for
	mostRead     = 50 // that may have it
)

// writeSharedForgot is writeForgot beside another program, in whose form the links are. There, several accounts may have one address. The
// message has a link for each that has a password, as the other program's would; accounts that have the address in another spelling are
// left out.
func (s *Service) writeSharedForgot(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	found, err := s.Accounts.Resets.FindAddress(ctx, r.To, mostRead)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(u *account.User) bool {
		return !u.IsActive || account.CanonicalLogin(u.Email) != account.CanonicalLogin(r.To)
	})
	if len(found) == 0 {
		return nil, nil
	}
	to := found[0].Email
	if slices.ContainsFunc(found, func(u *account.User) bool { return u.Email == r.To }) {
		to = r.To
	}
	r.To = to
	var lines []string
	for _, u := range found {
		if u.Email != to || !u.HasPassword() || len(lines) == mostAccounts {
			continue
		}
		r.User = u.ID
		lines = append(lines, harmless(u.Username)+"\t"+base+"/auth/reset#"+s.Accounts.Resets.NewReset(u, time.Now()))
		s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("kind", "reset"), slog.String("user", u.ID), slog.String("method", "mail"))
	}
	switch len(lines) {
	case 0:
		r.User = found[0].ID
		return s.message(r, "no_password", base, map[string]string{"name": harmless(found[0].Username), "link": base + "/signin"}), nil
	case 1:
	default:
		r.User = "" // it is about several
	}
	return s.message(r, "reset_shared", base, map[string]string{"links": strings.Join(lines, "\n")}), nil
}

package letters

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// verify is the kind of the request of a user who wants to prove an address.
const verify = "verify"

const verifyLife = 24 * time.Hour

// SendVerification sends a link to the address of a signed-in user, with which the user proves to receive mail there. It does nothing
// for users without an address, and if it is proven already. *[throttle.QuotaError] if the user has asked too often.
func (s *Service) SendVerification(ctx context.Context, u *account.User, about About) error {
	if u.Email == "" || u.HasProvenEmail() {
		return nil
	}
	if err := s.Guard.Spend(ctx, quotas(quotaUser, u.ID)...); err != nil {
		return err
	}
	r := s.request(verify, u.Email, about)
	r.User, r.Data = u.ID, map[string]string{"epoch": u.Epoch}
	return s.Outbox.Put(ctx, r, verifyLife)
}

// writeVerify writes to the address that the user had when it was asked for; nil if the user has another one by now.
func (s *Service) writeVerify(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	u, err := orNone(s.Accounts.Store.Load(ctx, r.User))
	if err != nil || u == nil || !u.IsActive || u.Epoch != r.Data["epoch"] || u.Email != r.To {
		return nil, err
	}
	s.speakTo(u, r)
	secret, err := s.newSecret(ctx, kindVerify, u.ID, u.Epoch, u.Email, verifyLife)
	if err != nil {
		return nil, err
	}
	return s.message(r, verify, base, map[string]string{"name": harmless(u.Username), "link": base + "/auth/verify#" + secret}), nil
}

// Verify notes that a signed-in user has opened the link that was mailed to the user's address, and returns the address. [ErrLink], also
// if it is another account's link: the owner of a mailbox must not prove an address for a stranger who has entered it.
func (s *Service) Verify(ctx context.Context, user, secret string) (address string, err error) {
	found, address, err := s.findSecret(ctx, kindVerify, secret)
	if err != nil {
		return "", err
	}
	if found.User != user {
		return "", ErrLink
	}
	_, err = s.Accounts.ProveEmail(ctx, user, found.Epoch, address)
	if errors.Is(err, account.ErrEpochChanged) || errors.Is(err, account.ErrNotFound) {
		return "", ErrLink
	}
	if err != nil {
		return "", err
	}
	s.Audit.Record(ctx, audit.EmailKinds.Verified, slog.String("user", user))
	return address, s.spend(ctx, found)
}

// MailedTo returns the address to which the link with the secret of a reset was mailed; "" if it was made by an administrator.
func (s *Service) MailedTo(ctx context.Context, secret string) (string, error) {
	if !s.Available() {
		return "", nil
	}
	_, address, err := s.findSecret(ctx, kindReset, secret)
	if errors.Is(err, ErrLink) {
		return "", nil
	}
	return address, err
}

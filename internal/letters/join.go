package letters

import (
	"context"
	"errors"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// ErrPasskeyApart says that an account can't begin with a passkey, because passkeys are in another database than accounts.
var ErrPasskeyApart = errors.New("accounts can't begin with a passkey here")

// JoinsByPasskey reports whether an account can begin with a passkey in place of a password.
func (s *Service) JoinsByPasskey() bool { return s.Available() && !s.Accounts.Unsupported.SpendLink }

// join makes the account of a person who has opened a link, and spends the link, in one step: a crash leaves the account or the link.
// [ErrLink] if the link was spent meanwhile, or there is an account with the address by now.
func (s *Service) join(ctx context.Context, accounts *account.Service, n account.NewUser, proven bool, j account.SignUpByLink) (*account.User, error) {
	err := account.UnsupportedErrors.SpendLink
	if !accounts.Unsupported.SpendLink {
		var u *account.User
		if u, err = accounts.SignUp(ctx, n, proven, &j); err == nil {
			return u, nil
		}
		if errors.Is(err, account.SpentErrors.Link) {
			err = s.whySpent(ctx, j.Link)
		}
	}
	if errors.Is(err, account.UnsupportedErrors.SpendLink) {
		return s.joinApart(ctx, accounts, n, proven, j)
	}
	if errors.Is(err, account.AddressErrors.Taken) {
		err = ErrLink
	}
	return nil, err
}

// whySpent returns [ErrLink], or [account.UnsupportedErrors].SpendLink if the link is still here: then the accounts looked for it in another database.
func (s *Service) whySpent(ctx context.Context, link [32]byte) error {
	_, err := s.Secrets.FindSecret(ctx, link)
	if errors.Is(err, mail.ErrNotFound) {
		_, err = s.Secrets.FindInvitation(ctx, link)
	}
	switch {
	case errors.Is(err, mail.ErrNotFound):
		return ErrLink
	case err != nil:
		return err
	}
	return account.UnsupportedErrors.SpendLink
}

// joinApart is join where no transaction spans accounts and links. The account comes first, so that no crash loses the link without one; it
// goes again unless this request was the one that spent the link. After a crash in between the account stays, and its address makes the
// link invalid.
func (s *Service) joinApart(ctx context.Context, accounts *account.Service, n account.NewUser, proven bool, j account.SignUpByLink) (*account.User, error) {
	if j.Passkey != nil {
		return nil, ErrPasskeyApart
	}
	u, err := accounts.SignUp(ctx, n, proven, nil)
	if errors.Is(err, account.AddressErrors.Taken) {
		return nil, ErrLink
	}
	if err != nil {
		return nil, err
	}
	// The account exists, so this doesn't end with the request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endFor)
	defer cancel()
	if err := s.spendLink(ctx, j.Link); err != nil {
		if left := s.Accounts.Delete(ctx, u.ID); left != nil && !errors.Is(left, account.ErrNotFound) {
			return nil, left
		}
		return nil, err
	}
	return u, nil
}

// spendLink deletes the secret of a sign-up, or an invitation. [ErrLink] if it was spent, withdrawn, renewed or replaced meanwhile.
func (s *Service) spendLink(ctx context.Context, link [32]byte) error {
	err := s.Secrets.SpendSecret(ctx, link)
	if !errors.Is(err, mail.ErrNotFound) {
		return err
	}
	n, err := s.Secrets.DeleteInvitations(ctx, mail.InvitationQuery{Hash: link})
	if err == nil && n == 0 {
		err = ErrLink
	}
	return err
}

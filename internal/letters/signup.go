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
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
)

// SignUps says who may make an account for themselves. The zero value: no one.
type SignUps struct {
	Open   bool
	Invite bool // people that an administrator has invited may, even if it isn't open

	// Domains are the domains of addresses that may sign up uninvited, in lower case. None: every address may.
	Domains []string

	// Allow reports whether an address may sign up uninvited, besides Domains. It is called for the same address at each step. nil: it may.
	Allow func(ctx context.Context, address string) (bool, error)
}

// The errors of sign-up.
var (
	// ErrSignUpClosed says that people can't make accounts for themselves, or not without an invitation: the server doesn't offer it, or
	// there is no administrator yet.
	ErrSignUpClosed = errors.New("sign-up is closed")
	// ErrAddressRefused says that people with this address can't sign up. It depends on the address alone, and not on accounts.
	ErrAddressRefused = errors.New("no sign-up with this address")
)

// signUp is the kind of the request of a person who asks for an account, and of the secret that is mailed for it.
const signUp = "signup"

const signUpLife = 24 * time.Hour // that of the link

// MaySignUp returns an error if no one can sign up uninvited now: [ErrSignUpClosed].
func (s *Service) MaySignUp(ctx context.Context) error {
	if !s.Available() || !s.SignUps.Open {
		return ErrSignUpClosed
	}
	return s.hasAdministrator(ctx)
}

// MayJoin returns an error if not even people with an invitation can make an account now: [ErrSignUpClosed].
func (s *Service) MayJoin(ctx context.Context) error {
	if !s.Available() || !s.SignUps.Open && !s.SignUps.Invite {
		return ErrSignUpClosed
	}
	return s.hasAdministrator(ctx)
}

func (s *Service) hasAdministrator(ctx context.Context) error {
	// The first account is the administrator's: the set-up link works only until there is one.
	needed, err := s.Accounts.NeedsSetup(ctx)
	if err == nil && needed {
		err = ErrSignUpClosed
	}
	return err
}

func (s *Service) checkAddress(ctx context.Context, address string) error {
	_, domain, _ := strings.Cut(address, "@")
	if len(s.SignUps.Domains) > 0 && !slices.Contains(s.SignUps.Domains, domain) {
		return ErrAddressRefused
	}
	if s.SignUps.Allow == nil {
		return nil
	}
	allowed, err := s.SignUps.Allow(ctx, address)
	if err == nil && !allowed {
		err = ErrAddressRefused
	}
	return err
}

// SignUp sends a link to an address on which an account with this address is made; if there is one already, a message that says so. As
// for [Service.Forgot], what happens depends on what was typed and on the network alone. [ErrSignUpClosed], [ErrAddressRefused],
// *[throttle.QuotaError].
func (s *Service) SignUp(ctx context.Context, address string, from netip.Addr, about About) error {
	if err := s.MaySignUp(ctx); err != nil {
		return err
	}
	if err := s.checkAddress(ctx, address); err != nil {
		return err
	}
	sent, err := s.admit(ctx, address, from)
	if err != nil || !sent {
		return err
	}
	return s.Outbox.Put(ctx, s.request(signUp, address, about), signUpLife)
}

// writeSignUp writes to an address with which someone wants to sign up. An account is told of it only at the address that it has.
func (s *Service) writeSignUp(ctx context.Context, r *outbox.Request, base string) (*mail.Message, error) {
	u, err := s.Accounts.Store.Find(ctx, account.CanonicalLogin(r.To))
	if errors.Is(err, account.ErrNotFound) {
		secret, err := s.newSecret(ctx, signUp, "", "", r.To, signUpLife)
		if err != nil {
			return nil, err
		}
		return s.message(r, signUp, base, map[string]string{"link": base + "/auth/welcome#" + secret}), nil
	}
	switch {
	case err != nil:
		return nil, err
	case account.CanonicalLogin(u.Email) != account.CanonicalLogin(r.To): // it is the username of an account whose address is another
		return s.message(r, "signup_taken", base, map[string]string{"link": base + "/signin"}), nil
	case !u.IsActive:
		return nil, nil
	}
	r.User, r.To = u.ID, u.Email
	s.speakTo(u, r)
	return s.message(r, "signup_known", base, map[string]string{"name": harmless(u.Username), "link": base + "/signin"}), nil
}

// SignUpAddress returns the address that the account of a link of [Service.SignUp] or [Service.Invite] gets. It changes nothing.
// [ErrLink], also if the account can't be made any more; [ErrSignUpClosed].
func (s *Service) SignUpAddress(ctx context.Context, secret string) (string, error) {
	if err := s.MayJoin(ctx); err != nil {
		return "", err
	}
	_, address, err := s.findSecret(ctx, signUp, secret)
	switch {
	case errors.Is(err, ErrLink):
		i, err := s.findInvitation(ctx, secret)
		if err != nil {
			return "", err
		}
		address = i.Address
		if err := s.inviting(i).MayCreate(ctx, account.NewUser{Groups: i.Groups}); isVoid(err) {
			return "", ErrLink
		} else if err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	case !s.SignUps.Open:
		return "", ErrSignUpClosed
	}
	_, err = s.Accounts.Store.Find(ctx, account.CanonicalLogin(address))
	if err == nil {
		return "", ErrLink
	}
	if !errors.Is(err, account.ErrNotFound) {
		return "", err
	}
	return address, nil
}

// CompleteSignUp makes the account of a person who has opened the link of [Service.SignUp] or [Service.Invite], with the address that the
// link was mailed to, which is thereby proven. [ErrLink], also if there is an account with this address by now: of several links, and of
// several requests with one, the first makes the account. [ErrSignUpClosed], [ErrAddressRefused], *[account.InvalidError], and with a
// passkey factor.ErrExists and [ErrPasskeyApart]; after these errors the link can be used again. It also returns the invitation that was
// used; nil without one. It sets the address and the groups of n, and the link of j.
func (s *Service) CompleteSignUp(ctx context.Context, secret string, n account.NewUser, j account.SignUpByLink) (*account.User, *mail.Invitation, error) {
	o, err := s.offer(ctx, secret)
	if err != nil {
		return nil, nil, err
	}
	n.Email, n.Groups, j.Link = o.address, o.groups, hashOf(secret)
	u, err := s.join(ctx, o.accounts, n, o.proven, j)
	if o.invitation != nil && isVoid(err) {
		err = ErrLink
	}
	if err != nil {
		return nil, nil, err
	}
	if o.invitation == nil {
		s.withdrawFrom(ctx, o.address)
	}
	return u, o.invitation, nil
}

// withdrawFrom withdraws the invitation of an address that has an account now, so it doesn't end with the request. As long as the account
// has the address no link makes another.
func (s *Service) withdrawFrom(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endFor)
	defer cancel()
	if err := s.Withdraw(ctx, address); err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "invitation of an address that signed up not deleted", slog.Any("error", err))
	}
}

// CheckSignUp returns the error that [Service.CompleteSignUp] would return now for an account with a passkey. It changes nothing.
func (s *Service) CheckSignUp(ctx context.Context, secret string, n account.NewUser) error {
	o, err := s.offer(ctx, secret)
	if err != nil {
		return err
	}
	n.Email, n.Groups = o.address, o.groups
	err = o.accounts.CheckSignUp(ctx, n, o.proven)
	if errors.Is(err, account.AddressErrors.Taken) || o.invitation != nil && isVoid(err) {
		return ErrLink
	}
	return err
}

// offer is the account that a link is for.
type offer struct {
	accounts   *account.Service // makes it
	address    string
	groups     []string
	proven     bool             // the link was mailed to the address
	invitation *mail.Invitation // nil: the person has asked for the account
}

// offer finds the link of a sign-up or an invitation that can be used now. [ErrLink], [ErrSignUpClosed], [ErrAddressRefused].
func (s *Service) offer(ctx context.Context, secret string) (*offer, error) {
	if err := s.MayJoin(ctx); err != nil {
		return nil, err
	}
	_, address, err := s.findSecret(ctx, signUp, secret)
	switch {
	case errors.Is(err, ErrLink):
		i, err := s.findInvitation(ctx, secret)
		if err != nil {
			return nil, err
		}
		return &offer{s.inviting(i), i.Address, i.Groups, !i.Printed, i}, nil
	case err != nil:
		return nil, err
	case !s.SignUps.Open:
		return nil, ErrSignUpClosed
	}
	return &offer{accounts: s.Accounts, address: address, proven: true}, s.checkAddress(ctx, address)
}

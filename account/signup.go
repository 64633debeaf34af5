package account

import (
	"context"
	"errors"
	"strings"
)

// SignUp creates the account of a person who chooses its username. n.Email is required; it counts as proven from then on if the person
// has proven to receive mail there. [AddressErrors].Taken, also if the address was taken since it was proven; *[InvalidError] for the other
// fields.
//
// A username that people choose for themselves may not look like an address, so that no one waits under the address of another
// person; their own proven address may be their username.
//
// Unless j is nil, the account and what j says are one step: [SpentErrors].Link, [factor.ErrExists] and [UnsupportedErrors].SpendLink, with which
// there is no account. An account with a passkey has no password, which its owner can set by mail.
func (s *Service) SignUp(ctx context.Context, n NewUser, proven bool, j *SignUpByLink) (*User, error) {
	n, err := s.signingUp(ctx, n, proven, j)
	if err != nil {
		return nil, err
	}
	u, err := s.Create(ctx, n)
	return u, addressTaken(err)
}

// CheckSignUp returns the error that SignUp would return now for an account with a passkey, and changes nothing.
func (s *Service) CheckSignUp(ctx context.Context, n NewUser, proven bool) error {
	n, err := s.signingUp(ctx, n, proven, nil)
	if err != nil {
		return err
	}
	n.NoPassword = true
	if s.actor != nil || len(n.Groups) > 0 {
		if err := s.MayCreate(ctx, n); err != nil {
			return err
		}
	}
	_, err = s.prepare(ctx, n)
	return addressTaken(err)
}

// addressTaken returns [AddressErrors.Taken] if err says so of the address: another request was first.
func addressTaken(err error) error {
	if wrong, ok := errors.AsType[*InvalidError](err); ok && len(wrong.Fields["email"]) > 0 {
		return AddressErrors.Taken
	}
	return err
}

// signingUp returns n as it is created.
func (s *Service) signingUp(ctx context.Context, n NewUser, proven bool, j *SignUpByLink) (NewUser, error) {
	address, err := ParseEmail(n.Email)
	if err != nil {
		return n, err
	}
	taken, err := s.find(ctx, address)
	switch {
	case err != nil:
		return n, err
	case taken != nil:
		return n, AddressErrors.Taken
	case strings.Contains(CanonicalLogin(n.Username), "@") && (!proven || CanonicalLogin(n.Username) != CanonicalLogin(address)):
		wrong := problems{}
		wrong.add("username", "invalid", "A username with @ in it must be your own address.")
		return n, wrong.err()
	}
	n.Email, n.proven, n.joining, n.Language = address, proven, j, s.kept(n.Language)
	n.NoPassword = n.NoPassword || j != nil && j.Passkey != nil
	return n, nil
}

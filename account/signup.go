package account

import (
	"context"
	"errors"
	"strings"
)

// SignUp creates the account of a person who chooses its username. n.Email is required; it counts as proven from then on if the person
// has proven to receive mail there. [ErrAddress].Taken, also if the address was taken since it was proven; *[InvalidError] for the other
// fields.
//
// A username that people choose for themselves may not look like an address, so that no one waits under the address of another
// person; their own proven address may be their username.
//
// Unless j is nil, the account and what j says are one step: [ErrSpent].Link, [factor.ErrExists] and [ErrLacks].Join, with which there is no account. An account with a passkey
// has no password, which its owner can set by mail.
func (s *Service) SignUp(ctx context.Context, n NewUser, proven bool, j *Joining) (*User, error) {
	address, err := ParseEmail(n.Email)
	if err != nil {
		return nil, err
	}
	taken, err := s.find(ctx, address)
	switch {
	case err != nil:
		return nil, err
	case taken != nil:
		return nil, ErrAddress.Taken
	case strings.Contains(CanonicalLogin(n.Username), "@") && (!proven || CanonicalLogin(n.Username) != CanonicalLogin(address)):
		wrong := problems{}
		wrong.add("username", "invalid", "A username with @ in it must be your own address.")
		return nil, wrong.err()
	}
	n.Email, n.proven, n.joining, n.Language = address, proven, j, s.kept(n.Language)
	n.NoPassword = j != nil && j.Passkey != nil
	u, err := s.Create(ctx, n)
	if wrong, ok := errors.AsType[*InvalidError](err); ok && len(wrong.Fields["email"]) > 0 { // another request was first
		return nil, ErrAddress.Taken
	}
	return u, err
}

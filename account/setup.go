package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// setupLife is how long a set-up secret is valid.
const setupLife = 30 * time.Minute

// SetupSecret returns a secret of 130 random bits, with which the first user can be created once, within 30 minutes. It
// replaces an earlier one. Only its hash is stored.
func (s *Service) SetupSecret(ctx context.Context) (string, error) {
	secret := rand.Text()
	err := s.store().SetSetup(ctx, sha256.Sum256([]byte(secret)), time.Now().Add(setupLife).Unix())
	if err != nil {
		return "", fmt.Errorf("store set-up secret: %w", err)
	}
	return secret, nil
}

// NeedsSetup reports whether there is no user yet.
func (s *Service) NeedsSetup(ctx context.Context) (bool, error) {
	users, err := s.store().List(ctx, Query{Limit: 1})
	if err != nil {
		return false, fmt.Errorf("check for users: %w", err)
	}
	return len(users) == 0, nil
}

// CreateFirst creates the first user, an administrator, if the set-up secret is right. [SpentErrors].Setup, *[InvalidError],
// which doesn't use up the secret.
//
// The store checks and uses up the secret in the step that creates the user, so the password is hashed before. Once there is
// a user, nothing is hashed for strangers any more; until then the Hasher's pool limits what they can cost.
func (s *Service) CreateFirst(ctx context.Context, secret string, n NewUser) (*User, error) {
	needed, err := s.NeedsSetup(ctx)
	if err != nil {
		return nil, err
	}
	if !needed {
		return nil, SpentErrors.Setup
	}
	n.IsStaff, n.IsSuperuser, n.Language = true, true, s.kept(n.Language)
	u, err := s.prepare(ctx, n)
	if err != nil {
		return nil, s.unlessSpent(ctx, err)
	}
	if err := s.store().CreateFirst(ctx, u, sha256.Sum256([]byte(secret)), time.Now().Unix()); err != nil {
		return nil, invalidIfTaken(err)
	}
	return u, nil
}

// unlessSpent returns err, or [SpentErrors].Setup if there is a user by now: what is wrong with a second first user, such as an address
// that the first has, tells a stranger about the first.
func (s *Service) unlessSpent(ctx context.Context, err error) error {
	if _, invalid := errors.AsType[*InvalidError](err); !invalid {
		return err
	}
	needed, failed := s.NeedsSetup(ctx)
	if failed != nil {
		return failed
	}
	if !needed {
		return SpentErrors.Setup
	}
	return err
}

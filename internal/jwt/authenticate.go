package jwt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/token"
)

// Claims are what an access token proves.
type Claims struct {
	ID              string // the jti
	User            string
	Epoch           string // the account's at the sign-in; the token is dead unless it is the present one
	Family          string // the public ID of the family
	AuthenticatedAt time.Time
	ExpiresAt       time.Time
}

// Authenticate returns what an access token proves, if its family is alive. *[Refusal]; with [ErrEnded] it says all the same
// whose the token was, and nothing else.
//
// It doesn't ask for the account: the caller must, and must compare its epoch with that of the claims.
func (s *Service) Authenticate(ctx context.Context, text string) (*Claims, error) {
	c, err := s.read(ctx, text, access)
	if err != nil {
		return nil, err
	}
	r, err := s.find(ctx, c, check)
	if err == ErrEnded {
		return &Claims{User: c.User}, ErrEnded
	}
	if err != nil {
		return nil, err
	}
	return &Claims{
		ID: c.ID, User: c.User, Epoch: r.Epoch, Family: r.PublicID,
		AuthenticatedAt: time.Unix(c.AuthenticatedAt, 0).UTC(), ExpiresAt: time.Unix(c.Expires, 0).UTC(),
	}, nil
}

// Spend marks an access token as exchanged until it expires. [ErrSpent] if it was before: of any number at the same time
// one succeeds.
func (s *Service) Spend(ctx context.Context, c *Claims) error {
	id := sha256.Sum256([]byte("\x00jwt jti\x00" + c.ID))
	err := s.Store.Create(ctx, &token.Record{
		ID: id, PublicID: "jti-" + c.ID, User: c.User, Epoch: c.Epoch, Kind: token.UsedJTI,
		Created: time.Now().Unix(), Expires: c.ExpiresAt.Unix(),
	}, token.Limit{})
	if errors.Is(err, token.ErrExists) {
		return ErrSpent
	}
	if err != nil {
		return fmt.Errorf("mark token as exchanged: %w", err)
	}
	return nil
}

// Verify reports whether a token is alive. Without an audience it must be an access or refresh token of ours; with one, a
// token minted for it, which is alive while its session is. *[Refusal], [ErrNoAccount].
func (s *Service) Verify(ctx context.Context, text, audience string) error {
	c, of, err := s.open(ctx, text, or(audience, s.Issuer))
	if err != nil {
		return err
	}
	if of == minted {
		return s.sessionLives(ctx, c)
	}
	r, err := s.live(ctx, c, check)
	if err != nil || of != refresh {
		return err
	}
	f, err := decode(r)
	if err == nil && c.ID != f.Current {
		return ErrEnded
	}
	return err
}

package jwt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/token"
)

// Authenticate returns what an access token proves, if its family hasn't ended. It fails with a *[Refusal]. With [ErrEnded] it
// also returns claims, in which only User is set, for the log.
//
// It doesn't load the account. The caller must, and must compare its epoch with that of the claims.
func (s *Service) Authenticate(ctx context.Context, text string) (*token.Claims, error) {
	c, err := s.read(ctx, text, access)
	if err != nil {
		return nil, err
	}
	r, err := s.find(ctx, c, view)
	if err == ErrEnded {
		return &token.Claims{User: c.User}, ErrEnded
	}
	if err != nil {
		return nil, err
	}
	return &token.Claims{
		ID: c.ID, User: c.User, Epoch: r.Epoch, Family: r.PublicID,
		AuthenticatedAt: time.Unix(c.AuthenticatedAt, 0).UTC(), ExpiresAt: time.Unix(c.Expires, 0).UTC(),
	}, nil
}

// Issues reports whether an issuer is the Service.
func (s *Service) Issues(issuer string) bool { return issuer == s.Issuer }

// Spend marks an access token as exchanged until it expires. It returns [ErrSpent] if the token is marked already. Of
// concurrent calls exactly one succeeds.
func (s *Service) Spend(ctx context.Context, c *token.Claims) error {
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

// Verify returns nil if a token is valid. If audience is empty, that must be an access or refresh token of ours; otherwise a
// token minted for the audience, which is valid as long as its session. It fails with a *[Refusal] or [ErrNoAccount].
func (s *Service) Verify(ctx context.Context, text, audience string) error {
	c, of, err := s.open(ctx, text, cmp.Or(audience, s.Issuer))
	if err != nil {
		return err
	}
	if of == minted {
		return s.checkSession(ctx, c)
	}
	r, err := s.live(ctx, c, view)
	if err != nil || of != refresh {
		return err
	}
	f, err := decode(r)
	if err == nil && c.ID != f.Current {
		return ErrEnded
	}
	return err
}

package jwt

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Mint describes a token to be minted.
type Mint struct {
	Session         *session.Session // the token ends with it
	Epoch           string           // the account's epoch; the token ends when it changes
	AuthenticatedAt time.Time        // when the user last authenticated
	Methods         []string         // how, as words of RFC 8176 and of signin.Method
	Audience        string           // one of [Service.Audiences]
}

// Mint returns a token by which the user of a session can authenticate to another service, and when it expires: in 5 minutes,
// or earlier with the session. Our own routes don't accept it. Mint returns [ErrAudience] if the audience isn't configured.
func (s *Service) Mint(ctx context.Context, m Mint) (text string, expires time.Time, err error) {
	if !slices.Contains(s.Audiences, m.Audience) || m.Audience == s.Issuer {
		return "", time.Time{}, ErrAudience
	}
	now := time.Now()
	c := claims{
		Expires: min(now.Add(mintedFor).Unix(), m.Session.ExpiresAt.Unix()), Issued: now.Unix(), ID: newID(),
		User: m.Session.User, Issuer: s.Issuer, Subject: m.Session.User, Audience: m.Audience, Session: m.Session.ID,
		AuthenticatedAt: m.AuthenticatedAt.Unix(), Methods: m.Methods,
	}
	c.Epoch = epochMark(s.Keys.Ring.Derive(epochPurpose)[0], c.ID, m.Epoch)
	if text, err = s.sign(ctx, minted, c); err != nil {
		return "", time.Time{}, err
	}
	s.Audit.Record(ctx, audit.TokenKinds.Created, slog.String("user", c.User), slog.String("session", c.Session),
		slog.String("kind", "minted"), slog.String("audience", c.Audience), slog.String("token", c.ID))
	return text, time.Unix(c.Expires, 0).UTC(), nil
}

const epochPurpose = "jwt epoch"

// epochMark represents an epoch in a minted token, which other services can read. It reveals neither the epoch nor whether two
// tokens have the same one, since no two tokens have the same ID.
func epochMark(key []byte, id, epoch string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + epoch))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// checkSession returns ErrEnded if the session that a token was minted from has ended, or the account's epoch has changed.
func (s *Service) checkSession(ctx context.Context, c *claims) error {
	epoch, err := s.epoch(ctx, c.User)
	if err != nil {
		return err
	}
	same := func(key []byte) bool { return hmac.Equal([]byte(c.Epoch), []byte(epochMark(key, c.ID, epoch))) }
	if !slices.ContainsFunc(s.Keys.Ring.Derive(epochPurpose), same) {
		return ErrEnded
	}
	sessions, err := s.Sessions.List(ctx, c.User)
	if err != nil {
		return fmt.Errorf("load session: %w", err)
	}
	if !slices.ContainsFunc(sessions, func(l *session.Session) bool { return l.ID == c.Session }) {
		return ErrEnded
	}
	return nil
}

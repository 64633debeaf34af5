package jwt

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Service issues and verifies tokens; it is an auth.JWTs. The fields down to Issuer are required; the zero values of the others are safe defaults.
// Set the fields before first use; the Service is then safe for concurrent use.
//
// Besides the errors that are named, its methods return those of the stores, which mean that the stores can't be read or
// written. The response is then a 503.
type Service struct {
	Keys *Keys
	// Store keeps the families of refresh tokens, and marks the access tokens that were exchanged.
	Store token.Store
	// Accounts has the epochs. A token ends when the epoch of its account changes.
	Accounts session.Epochs
	// Sessions has the sessions that minted tokens end with.
	Sessions Sessions
	// Issuer is our public URL. It is also the audience of access and refresh tokens.
	Issuer string

	// Audiences are the services for which tokens can be minted; none: no minting.
	Audiences []string
	// AccessFor is the life of an access token; 0: 5 minutes.
	AccessFor time.Duration
	// RefreshFor is the life of a refresh token; 0: 1 day.
	RefreshFor time.Duration
	// Lifetime is when a family ends after its sign-in, however often it is refreshed; 0: 30 days.
	Lifetime time.Duration
	// Grace is how long a second use of a refresh token is taken for two tabs at the same time; 0: 10 s.
	Grace time.Duration
	// Audit records which tokens are issued and used, but never a token itself; nil: nothing is recorded.
	Audit *audit.Log
}

// Sessions lists the sessions of a user. *[session.Manager] implements it.
type Sessions interface {
	List(ctx context.Context, user string) ([]*session.Session, error)
}

// mintedFor is the longest life of a minted token.
const mintedFor = 5 * time.Minute

func (s *Service) accessFor() time.Duration  { return cmp.Or(s.AccessFor, 5*time.Minute) }
func (s *Service) refreshFor() time.Duration { return cmp.Or(s.RefreshFor, 24*time.Hour) }
func (s *Service) lifetime() time.Duration   { return cmp.Or(s.Lifetime, 30*24*time.Hour) }
func (s *Service) grace() time.Duration      { return cmp.Or(s.Grace, 10*time.Second) }

// longest returns the longest life that a token of any kind can have.
func (s *Service) longest() time.Duration { return max(s.accessFor(), s.refreshFor(), mintedFor) }

// PublicKeys returns the public keys as a JWK Set (RFC 7517), and how long they may be cached: [PublicFor], or 0 while there
// are none.
func (s *Service) PublicKeys(ctx context.Context) ([]byte, time.Duration, error) {
	text, n, err := s.Keys.public(ctx, time.Now(), s.longest())
	if err != nil || n == 0 {
		return text, 0, err
	}
	return text, PublicFor, nil
}

func (s *Service) record(ctx context.Context, kind audit.Kind, r *token.Record, reason string) {
	s.Audit.Record(ctx, kind, slog.String("user", r.User), slog.String("family", r.PublicID), slog.String("reason", reason))
}

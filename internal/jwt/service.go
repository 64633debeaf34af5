package jwt

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// Service makes and judges tokens. All fields down to Issuer are needed; zero values of the others are the documented, safe
// defaults. Set the fields before first use; it is then safe for concurrent use.
//
// Besides the errors that are named, its methods return those of the stores, which mean that nothing is known: answer 503.
type Service struct {
	Keys     *Keys
	Store    token.Store      // families of refresh tokens, and the access tokens that were exchanged
	Accounts session.Accounts // whose epoch every token dies with
	Sessions Sessions         // which minted tokens die with
	Issuer   string           // our public URL; it is the audience of access and refresh tokens too

	Audiences  []string      // the services that tokens can be minted for; none: no minting
	AccessFor  time.Duration // the life of an access token; 0: 5 minutes
	RefreshFor time.Duration // the life of a refresh token, and the longest pause of a family; 0: 1 day
	Lifetime   time.Duration // the end of a family after its sign-in, whatever happens; 0: 30 days
	Grace      time.Duration // how long the re-use of a refresh token is taken for two tabs at the same time; 0: 10 s
	Audit      *audit.Log    // records which tokens are made and used; nil: nothing is recorded. Never gets a token
}

// Sessions is what the service needs to know of sessions: *[session.Manager].
type Sessions interface {
	List(ctx context.Context, user string) ([]*session.Session, error)
}

// mintedFor is the longest life of a minted token.
const mintedFor = 5 * time.Minute

func (s *Service) accessFor() time.Duration  { return or(s.AccessFor, 5*time.Minute) }
func (s *Service) refreshFor() time.Duration { return or(s.RefreshFor, 24*time.Hour) }
func (s *Service) lifetime() time.Duration   { return or(s.Lifetime, 30*24*time.Hour) }
func (s *Service) grace() time.Duration      { return or(s.Grace, 10*time.Second) }

func or[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// longest is how long the longest token of any kind lives.
func (s *Service) longest() time.Duration { return max(s.accessFor(), s.refreshFor(), mintedFor) }

// PublicKeys returns the public keys as RFC 7517 writes a set, and how long they may be kept: [PublicFor], or not at all
// while there are none.
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

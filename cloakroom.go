// Package cloakroom is sign-in for single-page apps, done with server-side sessions: the whole, assembled.
//
// [New] opens a database and returns a [Server] whose Handler signs people in and stands in front of a program's own
// handlers; package auth tells them who is asking. The command of the same name is this package behind flags. A program
// that keeps its users itself needs only the packages session and sqlite.
package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/clientip"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/requestid"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/web/pages"
	"golang.org/x/sync/errgroup"
)

// Config says how to assemble a [Server]. Zero fields are the documented, safe defaults.
type Config struct {
	URL            string   // the public address, scheme and host; "": http://localhost:8000
	Data           string   // the directory of the database and the key file; "": cloakroom-data
	DB             string   // "sqlite:PATH"; "": cloakroom.db in Data
	KeyFile        string   // the server secret, made at first start; "": secret.key in Data
	Origins        []string // other origins whose pages may call us, of the same site as URL
	TrustedProxies []string // networks whose X-Forwarded-For is believed; none: nobody's
	InsecureHTTP   bool     // accepts a plain http URL that isn't on this machine

	Idle              time.Duration // the longest pause between two uses of a session; 0: 14 days
	Lifetime          time.Duration // the end of a session, whatever happens; 0: 30 days
	MaxSessions       int           // of one user; 0: no limit
	PasswordMinLength int           // in characters; 0: 15
	StrictCSRF        bool          // demands X-CSRFToken of every unsafe request with a session
	HSTSSubDomains    bool          // extends Strict-Transport-Security to subdomains

	Log *slog.Logger // nil: slog.Default()
}

// Server is Cloakroom, ready to serve. Safe for concurrent use.
type Server struct {
	Accounts *account.Service
	Sessions *session.Manager
	Keys     *keyring.Ring

	url      string
	keyFile  string
	api      *httpapi.API
	db       *sqlite.DB
	throttle *throttle.Guard
	log      *slog.Logger
}

// New opens the database, which it creates and migrates if needed, and the server secret. It refuses what is unsafe and
// says what would allow it. Close the Server when done.
func New(ctx context.Context, c Config) (*Server, error) {
	c.fill()
	base, err := publicURL(c)
	if err != nil {
		return nil, err
	}
	trust, err := clientip.ParseTrust(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("--trusted-proxy: %w", err)
	}
	path, err := c.databasePath()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	ring, err := keyring.Load(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("server secret: %w", err)
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	s, err := assemble(ctx, c, base, trust, ring, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (c *Config) fill() {
	c.URL = strings.TrimSuffix(or(c.URL, "http://localhost:8000"), "/")
	c.Data = or(c.Data, "cloakroom-data")
	c.KeyFile = or(c.KeyFile, filepath.Join(c.Data, "secret.key"))
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = slog.New(requestid.LogHandler(c.Log.Handler()))
}

func or(s, standard string) string {
	if s == "" {
		return standard
	}
	return s
}

func (c *Config) databasePath() (string, error) {
	if c.DB == "" {
		return filepath.Join(c.Data, "cloakroom.db"), nil
	}
	path, ok := strings.CutPrefix(c.DB, "sqlite:")
	if !ok || path == "" {
		return "", fmt.Errorf("--db %q is not of the form sqlite:PATH", c.DB)
	}
	return path, nil
}

// publicURL refuses an address over which a ticket would travel in the clear.
func publicURL(c Config) (*url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("--url %q is not an address such as https://app.example.com", c.URL)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("--url %q must be scheme and host alone", c.URL)
	}
	if u.Scheme == "http" && !csrf.Loopback(u.Hostname()) && !c.InsecureHTTP {
		return nil, fmt.Errorf("--url %s is plain http: whoever listens on the way could take people's sessions. "+
			"Use https, or allow it with --insecure-http", c.URL)
	}
	return u, nil
}

func assemble(ctx context.Context, c Config, base *url.URL, trust clientip.Trust, ring *keyring.Ring, db *sqlite.DB) (*Server, error) {
	if err := ring.Check(ctx, db.Keys()); err != nil {
		return nil, fmt.Errorf("server secret %s: %w", c.KeyFile, err)
	}
	secure := base.Scheme == "https"
	guard, err := csrf.New(csrf.Config{
		URL: c.URL, Origins: c.Origins, Strict: c.StrictCSRF, InsecureHTTP: c.InsecureHTTP,
		Keys: func() [][]byte { return ring.Derive("csrf") },
	})
	if err != nil {
		return nil, err
	}
	s := &Server{url: c.URL, Keys: ring, db: db, log: c.Log}
	s.throttle = &throttle.Guard{Store: db.Throttles(), Key: ring.Derive("throttle")[0]}
	s.Accounts = &account.Service{
		Store: db.Accounts(), Hasher: &password.Hasher{}, Guard: s.throttle,
		Policy: password.Policy{MinLength: c.PasswordMinLength},
	}
	s.Sessions = &session.Manager{
		Store: db.Sessions(), InsecureHTTP: !secure, Idle: c.Idle, Lifetime: c.Lifetime, MaxSessions: c.MaxSessions,
		Passive: passive, Log: c.Log,
	}
	s.api = &httpapi.API{
		Sessions: s.Sessions, Accounts: s.Accounts, Auth: auth.New(s.Sessions, db.Accounts()), CSRF: guard, Client: trust,
		Keys: ring, Pages: pages.Handler(), Healthy: db.Ping, Secure: secure, HSTS: hsts(secure, c.HSTSSubDomains), Log: c.Log,
	}
	return s, nil
}

// passive requests ask who is signed in without keeping them signed in.
func passive(r *http.Request) bool {
	return r.URL.RawQuery != "" && r.URL.Query().Get("slide") == "false"
}

func hsts(secure, subDomains bool) string {
	switch {
	case !secure:
		return ""
	case subDomains:
		return "max-age=31536000; includeSubDomains"
	}
	return "max-age=31536000"
}

// Handler answers Cloakroom's routes and passes everything else to next, which finds out with package auth who is asking.
// next may be nil.
func (s *Server) Handler(next http.Handler) http.Handler { return s.api.Handler(next) }

// Run does the work in the background, such as removing expired sessions, until ctx ends. Run it once.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Sessions.Run(ctx) })
	g.Go(func() error { return s.purgeThrottle(ctx) })
	return g.Wait()
}

// purgeThrottle forgets old counts of failed guesses. What fails is tried again at the next turn.
func (s *Server) purgeThrottle(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Minute):
		}
		if err := s.throttle.Purge(ctx); err != nil && ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelWarn, "throttle purge failed", slog.Any("error", err))
		}
	}
}

// Drain makes /readyz answer 503, so that a load balancer sends no more requests. Those that come are still answered.
func (s *Server) Drain() { s.api.Drain() }

// SetupLink returns a one-time link, good for 30 minutes, on which the first administrator is made; "" if there is a
// user already. Earlier links are void from then on.
func (s *Server) SetupLink(ctx context.Context) (string, error) {
	needed, err := s.Accounts.NeedsSetup(ctx)
	if err != nil || !needed {
		return "", err
	}
	secret, err := s.Accounts.SetupSecret(ctx)
	if err != nil {
		return "", err
	}
	return s.url + "/auth/setup#" + secret, nil
}

// Close closes the database. Stop serving, and Run, before.
func (s *Server) Close() error { return s.db.Close() }

// Files says where a [Server] keeps what it must not lose.
type Files struct {
	Database string
	Key      string // the server secret
}

// Files returns the paths that New uses with this Config.
func (c Config) Files() (Files, error) {
	c.fill()
	database, err := c.databasePath()
	return Files{Database: database, Key: c.KeyFile}, err
}

// RotateKey puts a new server secret in the place of the current one, which is still accepted for what was made with it.
// Other processes that use the key file notice by themselves.
func (s *Server) RotateKey(ctx context.Context) error {
	return keyring.Rotate(ctx, s.keyFile, s.db.Keys())
}

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
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/sealed"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/clientip"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/metrics"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
	"github.com/cloakroom-auth/cloakroom/web/pages"
)

// Server is Cloakroom, ready to serve. Safe for concurrent use.
type Server struct {
	Accounts *account.Service
	Sessions *session.Manager
	Tokens   *token.Service
	Auth     *auth.Resolver
	Audit    *audit.Log
	Log      *slog.Logger // Config.Log, with the ID and the client of the request that a line is about

	url      string
	urlGiven bool // the Config named it
	keyFile  string
	keys     *keyring.Ring
	api      *httpapi.API
	db       *storage
	cached   *cachedStores
	gateway  *gateway.Gateway
	throttle *throttle.Guard
	hasher   *password.Hasher
	events   *events.Hub
	jwt      *jwt.Service
}

// New opens the database, which it creates and migrates if needed, and the server secret. It refuses what is unsafe,
// before it makes any file, and says what would allow it. Close the Server when done.
func New(ctx context.Context, c Config) (*Server, error) {
	urlGiven := c.URL != ""
	c.fill()
	base, err := publicURL(c)
	if err != nil {
		return nil, err
	}
	if err := checkAudiences(c); err != nil {
		return nil, err
	}
	if err := checkCookie(c, base); err != nil {
		return nil, fmt.Errorf("the session cookie (Config.Cookie.Name, Config.Cookie.Domain, Config.Cookie.Path, Config.Cookie.SameSite): %w", err)
	}
	if c.metrics, err = metrics.New(c.Metrics); err != nil {
		return nil, fmt.Errorf("Config.Metrics: %w", err)
	}
	s := &Server{url: c.URL, urlGiven: urlGiven, keyFile: c.KeyFile, Log: c.Log}
	guard, err := csrf.New(csrf.Config{
		URL: c.URL, Origins: c.Origins, Strict: c.StrictCSRF, InsecureHTTP: c.InsecureHTTP,
		SharedCookie: strings.HasPrefix(c.DB, djangoScheme),
		Keys:         func() [][]byte { return s.keys.Derive("csrf") },
	})
	if err != nil {
		return nil, fmt.Errorf("Config.Origins: %w", err)
	}
	c.warnOfAliases(base)
	trust, err := clientip.ParseTrust(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("Config.TrustedProxies: %w", err)
	}
	front := gatewayConfig(c, guard, trust)
	if err := gateway.Check(front); err != nil {
		return nil, err
	}
	if err := s.open(ctx, c); err != nil {
		return nil, err
	}
	s.assemble(c, base, guard, trust)
	if s.db.django != nil {
		if err := s.beside(ctx, s.db.django); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.buildGateway(front); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open opens the server secret and the database, and sees that they belong together.
func (s *Server) open(ctx context.Context, c Config) error {
	var err error
	if s.db, err = c.openStorage(ctx); err != nil {
		return err
	}
	if s.cached, err = c.cacheStores(ctx, s.db); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := s.cached.reach(ctx); err != nil {
		return errors.Join(fmt.Errorf("publish revocation: %w", err), s.Close())
	}
	if s.keys, err = secret(ctx, c.KeyFile, s.db.Sealed); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// secret makes the server secret for a database that holds nothing sealed yet, and loads it for any other: a new one would
// open nothing there.
func secret(ctx context.Context, file string, store sealed.Store) (*keyring.Ring, error) {
	sealed, err := store.Sealed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read database: %w", err)
	}
	get := keyring.Create
	if len(sealed) > 0 {
		get = keyring.Load
	}
	ring, err := get(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: the database was begun with a secret that isn't here. Put the file back, or copy it from the node that has it; Config.KeyFile names it. If it is lost: cloakroom key replace-lost", err)
	}
	if err != nil {
		return nil, err
	}
	switch err := ring.Check(ctx, store); {
	case errors.Is(err, keyring.ErrWrongSecret):
		return nil, fmt.Errorf("%s: %w", file, err)
	case err != nil:
		return nil, fmt.Errorf("check the server secret by the database: %w", err)
	}
	return ring, nil
}

func (s *Server) assemble(c Config, base *url.URL, guard *csrf.Protection, trust clientip.Trust) {
	secure := base.Scheme == "https"
	s.Audit = &audit.Log{
		Store: c.metrics.Audit(s.db.Audit), Text: c.Log, Retention: c.AuditRetention, UserID: s.userIDByLogin,
	}
	s.throttle = &throttle.Guard{Store: c.metrics.Throttles(s.db.Throttles), Key: s.keys.Derive("throttle")[0]}
	s.hasher = &password.Hasher{}
	s.Accounts = &account.Service{
		Store: s.cached.accounts, Hasher: s.hasher, Guard: s.throttle,
		Policy: password.Policy{
			MinLength: c.PasswordMinLength, Words: append(strings.Split(base.Hostname(), "."), "cloakroom"),
		},
	}
	s.Sessions = &session.Manager{
		Store: c.metrics.Revocations(s.cached.sessions), Idle: c.Idle, Lifetime: c.Lifetime, MaxSessions: c.MaxSessions,
		AppTokens: c.AppTokens, Passive: httpapi.Passive, Audit: s.Audit, Log: c.Log,
	}
	c.setCookie(s.Sessions, secure)
	s.Tokens = &token.Service{Store: s.cached.tokens, Audit: s.Audit, Log: c.Log}
	s.Auth = auth.New(s.Sessions, s.cached.accounts)
	s.Auth.Tokens = s.Tokens
	s.jwt = &jwt.Service{
		Keys: &jwt.Keys{Ring: s.keys, Store: s.db.Sealed}, Store: s.cached.tokens, Accounts: s.Auth, Sessions: s.Sessions,
		Issuer: c.URL, Audiences: c.Audiences, Lifetime: c.Lifetime, Audit: s.Audit,
	}
	s.Auth.JWT = s.jwt
	s.events = &events.Hub{Auth: s.Auth, Log: c.Log}
	if s.db.sqlite != nil {
		s.events.Version = s.db.sqlite.DataVersion
	}
	s.Sessions.Observe(s.events.SessionsEnded, nil) // the fields are left to the program
	s.Accounts.Observe(s.events.Wake)
	s.measure(c.metrics)
	s.api = &httpapi.API{
		Sessions: s.Sessions, Accounts: s.Accounts, Auth: s.Auth, CSRF: guard, Client: trust,
		Basic: c.Basic, Knox: httpapi.Knox{TTL: c.KnoxTTL, Limit: c.KnoxLimit},
		Keys: s.keys, Live: s.events, Audit: s.Audit, URL: s.url, Pages: pages.Handler(), Healthy: s.db.ping, Secure: secure, KeepSiteData: c.KeepSiteData, HSTS: hsts(secure, c.HSTSSubDomains), Log: c.Log,
	}
}

// measure lets m hear of what happens.
func (s *Server) measure(m *metrics.Metrics) {
	if m == nil {
		return
	}
	m.Watch(s.hasher)
	m.WatchAudit(s.Audit)
	s.Sessions.Observe(m.Ended, m.Checked)
}

// gatewayConfig is the gateway's part of the configuration.
func gatewayConfig(c Config, guard *csrf.Protection, trust clientip.Trust) gateway.Config {
	return gateway.Config{
		App: c.App, Upstreams: c.Upstreams, Rules: c.Rules, UpstreamTimeout: c.UpstreamTimeout,
		UnsafePaths: c.UnsafePaths, PassGroups: c.PassGroups,
		URL: c.URL, Owns: httpapi.Owns, CSRF: guard, Client: trust, Log: c.Log,
	}
}

// buildGateway builds the gateway.
func (s *Server) buildGateway(front gateway.Config) (err error) {
	front.Auth, front.Audit, front.Signer = s.api.Auth, s.Audit, s.jwt.Keys
	front.Cookies = []string{httpapi.DeviceCookie}
	if s.db.django != nil { // Django needs the cookie as we do
		front.Shared = &gateway.Shared{Name: s.Sessions.CookieName, Sessions: s.Sessions, Succeeded: s.db.django.Succeeded}
	} else {
		front.Cookies = append(front.Cookies, s.Sessions.CookieName)
	}
	if s.gateway, err = gateway.New(front); err != nil {
		return err
	}
	if front.Shared != nil {
		s.Sessions.OnCookieChange = s.gateway.Moved
	}
	s.api.Authz = s.gateway.ForwardAuth()
	return nil
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
// If next is nil, what the Config names as App and Upstreams answers.
func (s *Server) Handler(next http.Handler) http.Handler {
	if next == nil && s.gateway.Serves() {
		next = s.gateway
	}
	return s.api.Handler(next)
}

// Run does the work in the background, such as removing expired sessions, until ctx ends. Run it once.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := s.PublishURL(ctx); err != nil && ctx.Err() == nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "commands on this database need --url", slog.Any("error", err))
	}
	g.Go(func() error { return s.Sessions.Run(ctx) })
	g.Go(func() error { return s.events.Run(ctx) })
	g.Go(func() error { return s.Audit.Run(ctx) })
	g.Go(func() error { return s.Tokens.Run(ctx) })
	g.Go(func() error { return s.purgeThrottle(ctx) })
	g.Go(func() error { return s.gateway.Run(ctx) })
	for _, cache := range s.cached.caches {
		g.Go(func() error { return s.cached.run(ctx, cache, s.Log) })
	}
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
			s.Log.LogAttrs(ctx, slog.LevelWarn, "throttle purge failed", slog.Any("error", err))
		}
	}
}

// Retire makes /readyz answer 503 from now on, so that a load balancer sends no more requests. Those that come all the same
// are answered, and streams stay open: a server that stops retires first, and drains when that has been noticed.
func (s *Server) Retire() { s.api.Retire() }

// Drain is [Server.Retire], and ends the events streams, and the WebSockets and streams of upstreams. Requests that come
// are still answered.
func (s *Server) Drain() {
	s.api.Drain()
	s.gateway.Drain()
}

// userIDByLogin returns the ID of the user with a name as typed.
func (s *Server) userIDByLogin(ctx context.Context, login string) string {
	u, err := s.cached.accounts.Find(ctx, account.CanonicalLogin(login))
	if err != nil {
		return ""
	}
	return u.ID
}

// Close writes what is left for the audit log, and closes the database. Stop serving, and Run, before.
func (s *Server) Close() error {
	var err error
	if s.Audit != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err = s.lastEvents(ctx)
	}
	err = errors.Join(err, s.cached.close(), s.db.close())
	if s.gateway != nil {
		err = errors.Join(err, s.gateway.Close())
	}
	return err
}

// lastEvents writes what is left for the audit log, and says what is missing there if that can't be.
func (s *Server) lastEvents(ctx context.Context) error {
	err := s.Audit.Flush(ctx)
	if err == nil {
		return nil
	}
	return fmt.Errorf("the audit log lacks %d of the last events, since the database took no more: %w", s.Audit.Stats().Waiting, err)
}

// closeTimeout bounds what Close waits for.
const closeTimeout = 5 * time.Second

// Rotation says how [Server.RotateKey] changes the key that signs JWTs.
type Rotation struct {
	JWTAlgorithm string // of the new key: "EdDSA" or "ES256"; "": that of the latest one
	DropJWTKeys  bool   // refuse tokens that earlier keys signed, as after a leak
}

// RotateKey puts a new server secret in the place of the current one, which is still accepted for what was made with it,
// and publishes a new key for JWTs, as r says. Other processes notice by themselves.
func (s *Server) RotateKey(ctx context.Context, r Rotation) error {
	// In this order the new key, too, ends under the new secret.
	if err := s.jwt.Keys.Rotate(ctx, jwt.Rotation{Algorithm: r.JWTAlgorithm, Drop: r.DropJWTKeys}); err != nil {
		return err
	}
	return keyring.Rotate(ctx, s.keyFile, s.db.Sealed)
}

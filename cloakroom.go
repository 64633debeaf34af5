// Package cloakroom is a complete server for sign-in in single-page apps, with server-side sessions.
//
// [New] opens a database and returns a [Server]. Its Handler signs people in and passes all other requests to a program's own
// handlers, which learn from package auth who sends a request. The command of the same name is this package with flags. A
// program that keeps users itself needs only the packages session and sqlite.
package cloakroom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/courier"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/internal/grant"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/metrics"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/internal/testhook"
	"github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
	"github.com/cloakroom-auth/cloakroom/web/pages"
)

// Server is Cloakroom, ready to serve. It is safe for concurrent use.
type Server struct {
	Accounts *account.Service
	Sessions *session.Manager
	Tokens   *token.Service
	Auth     *auth.Resolver
	Audit    *audit.Log
	Log      *slog.Logger // Config.Log, with the ID and the client of the request that a line is about

	url      string
	urlGiven bool   // the Config named it
	signup   string // Config.Signup
	keyFile  string
	keys     *keyring.Ring
	dataKeys *keyring.DataKeys
	storage  *storage
	measured store.Set // storage's, with their calls measured if the Config wants that
	cached   *cachedStores
	hasher   *password.Hasher
	throttle *throttle.Guard
	jwt      *jwt.Service
	events   *events.Hub
	steps    *secondstep.Service
	factors  *authenticator.Service // nil: there are no stores for factors
	sender   mail.Sender            // nil: no mail is sent
	posts    bool                   // the Config names a mail server, so mail is sent whichever server runs
	letters  *letters.Service
	webhooks *courier.Service // nil: there are no endpoints
	grants   *grant.Service   // nil: there is no store for the tokens of providers
	gateway  *gateway.Gateway
	devices  *device.Service // nil: no session is bound to a browser
	api      *httpapi.API

	passkeyDomain string // "": there are no passkeys

	running atomic.Bool    // Run is
	closers []func() error // called by Close, the last one first
}

// New opens the databases, which it creates and migrates if needed, and the server secret, which it creates for a new
// database. An unsafe Config is an error that says what would make it safe; New returns it before it creates any file. The
// caller must call Close when done.
func New(ctx context.Context, c Config) (*Server, error) {
	urlGiven := c.URL != ""
	c.fill()
	checked, err := c.check()
	if err != nil {
		return nil, err
	}
	measure, err := metrics.New(c.Metrics)
	if err != nil {
		return nil, fmt.Errorf("Config.Metrics: %w", err)
	}
	s := &Server{Log: c.Log, url: c.URL, urlGiven: urlGiven, keyFile: c.KeyFile, passkeyDomain: checked.passkeyDomain}
	s.onClose(measure.Unregister)
	if err := s.assemble(ctx, c, checked, measure); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkedConfig is what New needs of a Config that has been checked.
type checkedConfig struct {
	url     *url.URL
	proxies reqinfo.Proxies
	texts   *texts.Catalogue
	pages   *pages.Site
	name    string // the product's; "": it has none

	passkeyDomain string // "": there are no passkeys, because of noPasskeys
	noPasskeys    string
	requirement   secondstep.Requirement

	providers []*oidc.Provider
	webhooks  []courier.Endpoint
}

func (c checkedConfig) https() bool { return c.url.Scheme == "https" }

// check returns an error if the Config is wrong. It opens nothing.
func (c *Config) check() (checkedConfig, error) {
	base, err := publicURL(*c)
	if err != nil {
		return checkedConfig{}, err
	}
	if err := c.checkNumbers(); err != nil {
		return checkedConfig{}, err
	}
	if err := checkAudiences(*c); err != nil {
		return checkedConfig{}, err
	}
	if err := checkCookie(*c, base); err != nil {
		return checkedConfig{}, fmt.Errorf("the session cookie (Config.Cookie.Name, Config.Cookie.Domain, Config.Cookie.Path, Config.Cookie.SameSite): %w", err)
	}
	if err := c.csrf().Validate(); err != nil {
		return checkedConfig{}, fmt.Errorf("Config.Origins: %w", err)
	}
	if err := c.checkBinding(base); err != nil {
		return checkedConfig{}, err
	}
	c.warnOfAliases(base)
	if err := c.checkMail(base); err != nil {
		return checkedConfig{}, err
	}
	proxies, err := reqinfo.ParseProxies(c.TrustedProxies)
	if err != nil {
		return checkedConfig{}, fmt.Errorf("Config.TrustedProxies: %w", err)
	}
	if err := gateway.Check(c.gateway()); err != nil {
		return checkedConfig{}, err
	}
	catalogue, err := texts.Load(c.Texts)
	if err != nil {
		return checkedConfig{}, fmt.Errorf("Config.Texts: %w", err)
	}
	site, err := pages.New(catalogue, pages.Look{
		Name: c.Name, Accent: c.Accent, Logo: c.Logo, Style: c.Style, Help: c.LinkHelp, Terms: c.LinkTerms, Privacy: c.LinkPrivacy, SignIn: c.SignInPath,
		NoExtra: c.besideDjango() || c.Stores != nil && c.Stores.Unsupported().Extra,
	})
	if err != nil {
		return checkedConfig{}, fmt.Errorf("Config.%w", err)
	}
	checked := checkedConfig{url: base, proxies: proxies, texts: catalogue, pages: site, name: c.Name}
	checked.passkeyDomain, err = passkey.Domain(base, c.PasskeyDomain)
	if off, ok := errors.AsType[*passkey.OffError](err); ok {
		checked.noPasskeys = off.Reason
	} else if err != nil {
		return checkedConfig{}, fmt.Errorf("Config.PasskeyDomain: %w", err)
	}
	if checked.providers, err = c.readProviders(base); err != nil {
		return checkedConfig{}, err
	}
	if err := c.checkUpstreamTokens(checked.providers); err != nil {
		return checkedConfig{}, err
	}
	if checked.webhooks, err = c.checkWebhooks(); err != nil {
		return checkedConfig{}, err
	}
	checked.requirement, err = c.requirement()
	return checked, err
}

// requirement returns who must have a second factor.
func (c *Config) requirement() (secondstep.Requirement, error) {
	known := map[string]secondstep.Requirement{
		"": secondstep.Optional, "optional": secondstep.Optional, "staff": secondstep.Staff, "required": secondstep.Required,
	}
	r, ok := known[c.SecondFactor]
	if !ok {
		return r, fmt.Errorf("Config.SecondFactor is %q; give optional, staff or required", c.SecondFactor)
	}
	if r != secondstep.Optional && c.Stores != nil && c.Stores.Factors == nil {
		return r, errors.New("Config.SecondFactor needs Config.Stores.Factors and Signins, which are nil")
	}
	return r, nil
}

// assemble builds the parts of the server, each after those that it needs.
func (s *Server) assemble(ctx context.Context, c Config, checked checkedConfig, measure *metrics.Metrics) error {
	if err := s.open(ctx, c, measure); err != nil {
		return err
	}
	s.startAudit(c, checked, measure)
	s.dataKeys = keyring.NewDataKeys(s.keys, s.storage.Sealed)

	var err error
	if s.hasher, err = s.storage.newHasher(ctx); err != nil {
		return err
	}
	s.throttle = &throttle.Guard{Store: s.measured.Throttles, Key: s.keys.Derive("throttle")[0]}
	s.Accounts = s.newAccounts(c, checked)
	if err := s.startMail(c, checked); err != nil {
		return err
	}
	s.Sessions = s.newSessions(c, checked, measure)
	s.Tokens = s.newTokens(c)
	s.jwt = &jwt.Service{
		Keys: &jwt.Keys{Ring: s.keys, Store: s.storage.Sealed}, Store: s.cached.tokens, Accounts: s.Sessions.Accounts, Sessions: s.Sessions,
		Issuer: c.URL, Audiences: c.Audiences, Lifetime: c.Lifetime, Audit: s.Audit,
	}
	s.steps = &secondstep.Service{
		Factors: s.storage.Factors, Signins: s.storage.Signins, Links: s.storage.Links, Accounts: s.cached.accounts, Log: c.Log,
		LookAgain: s.storage.django != nil, Requirement: checked.requirement,
	}
	who := auth.Config{
		Sessions: s.Sessions, Accounts: s.cached.accounts, Tokens: s.Tokens, JWTs: s.jwt, SecondStep: s.steps.Demands,
		JoinedView: s.cached.joined,
	}
	if c.Basic {
		who.Basic = func(r *http.Request, login, password string) (*account.User, error) {
			return s.api.VerifyBasic(r, login, password)
		}
	}
	s.Auth = auth.New(who)
	s.events = &events.Hub{Auth: s.Auth, Version: s.storage.version, Log: c.Log}

	config := c.csrf()
	config.Keys = func() [][]byte { return s.keys.Derive("csrf") }
	protection, err := csrf.New(config)
	if err != nil {
		return fmt.Errorf("Config.Origins: %w", err)
	}
	if s.grants = s.newGrants(c, checked); s.grants != nil {
		s.onClose(s.flushGrants)
	}
	if s.gateway, err = gateway.New(s.gatewayConfig(c, checked, protection)); err != nil {
		return err
	}
	s.onClose(s.gateway.Close)
	s.factors = s.newFactors(checked)
	if len(checked.providers) > 0 && (s.storage.Links == nil || s.storage.Signins == nil) {
		return errors.New("Config.Providers: the database has no place for links; Config.Stores needs Links, Signins and Factors")
	}
	if s.grants == nil && slices.ContainsFunc(checked.providers, func(p *oidc.Provider) bool { return p.KeepTokens }) {
		return errors.New("Config.Providers: the database has no place for tokens; Config.Stores needs Grants")
	}
	keys, noPasskeys, err := s.newPasskeys(c, checked)
	if err != nil {
		return err
	}
	s.api = &httpapi.API{
		Steps: s.steps, EnrolOnPassword: c.EnrolOnPassword, Factors: s.factors, Passkeys: keys, NoPasskeys: noPasskeys, RelatedOrigins: relatedOrigins(c),
		Links: s.storage.Links, Providers: checked.providers, Sealer: s.dataKeys, Grants: s.grants,
		Letters: s.letters, Devices: s.devices, Texts: checked.texts,
		Sessions: s.Sessions, Accounts: s.Accounts, Tokens: s.Tokens, JWT: s.jwt, Auth: s.Auth, CSRF: protection, Client: checked.proxies,
		Knox: httpapi.Knox{TTL: c.KnoxTTL, Limit: c.KnoxLimit}, Keys: s.keys, Live: s.events,
		Audit: s.Audit, Pages: checked.pages, Authz: s.gateway.ForwardAuth(), URL: s.url, Healthy: s.storage.ping,
		Secure: checked.https(), HSTS: hsts(checked.https(), c.HSTSSubDomains), KeepSiteData: c.KeepSiteData, Log: c.Log,
		NoAccountDeletion: c.NoAccountDeletion, NoAccountData: c.NoAccountData,
	}
	if measure != nil || c.AccessLog {
		s.api.Answered = answered(c, measure)
	}
	s.connect(measure)
	testhook.ChangeAPI(ctx, s.api)
	return nil
}

// answered returns a function that counts and logs each answer.
func answered(c Config, measure *metrics.Metrics) func(*http.Request, httpapi.Answer) {
	return func(r *http.Request, a httpapi.Answer) {
		took := time.Since(a.Began)
		measure.Answered(a.Route, r.Method, a.Status, took, a.Stream)
		if !c.AccessLog {
			return
		}
		c.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", r.Method), slog.String("host", r.Host),
			slog.String("path", admin.LogText(r.URL.EscapedPath())), slog.String("route", a.Route), slog.Int("status", a.Status),
			slog.Int64("bytes", a.Bytes), slog.Float64("seconds", took.Seconds()))
	}
}

// open opens the databases and the server secret, and checks that they belong together.
func (s *Server) open(ctx context.Context, c Config, measure *metrics.Metrics) (err error) {
	feed, err := c.beginFeed(ctx)
	if err != nil {
		return err
	}
	if feed != nil {
		s.onClose(feed.Close)
	}
	if s.storage, err = c.openStorage(ctx); err != nil {
		return err
	}
	s.onClose(s.storage.close)
	s.measured = measure.Stores(s.storage.Set)
	if s.cached, err = c.cacheStores(ctx, s.storage, feed, s.measured, measure); err != nil {
		return err
	}
	s.onClose(s.cached.close)
	if err := s.cached.reach(ctx); err != nil {
		return fmt.Errorf("publish revocation: %w", err)
	}
	s.keys, err = secret(ctx, c.KeyFile, s.storage.Sealed)
	return err
}

// secret returns the server secret. It creates one only for a database that holds nothing sealed yet: a new one could not open
// what another has sealed.
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
		return nil, fmt.Errorf("check that the server secret belongs to the database: %w", err)
	}
	return ring, nil
}

func (s *Server) newAccounts(c Config, checked checkedConfig) *account.Service {
	a := &account.Service{
		Store: s.cached.accounts, Unsupported: s.storage.Unsupported(), Hasher: s.hasher, Guard: s.throttle,
		Policy: password.Policy{
			MinLength: c.PasswordMinLength, Words: append(strings.Split(checked.url.Hostname(), "."), "cloakroom"),
		},
	}
	if theirs := s.storage.django; theirs != nil {
		a.HashTemplate, a.FindLogin, a.Resets = theirs.HashTemplate, theirs.FindLogin, theirs.Resets()
	}
	return a
}

// newPasskeys returns nil, and the reason, if there are no passkeys.
func (s *Server) newPasskeys(c Config, checked checkedConfig) (keys *passkey.Service, off string, err error) {
	off = checked.noPasskeys
	if s.storage.Factors == nil {
		off = "the database has no place for them"
	}
	if off != "" {
		s.Log.Info("there are no passkeys", slog.String("reason", off))
		return nil, off, nil
	}
	keys, err = passkey.New(passkey.Config{
		RPID: checked.passkeyDomain, Name: cmp.Or(c.Name, checked.passkeyDomain), Origins: append([]string{c.URL}, c.Origins...),
		Keys: func() [][]byte { return s.keys.Derive("passkey") }, Factors: s.storage.Factors, Signins: s.storage.Signins,
	})
	if err != nil {
		return nil, "", fmt.Errorf("Config.PasskeyDomain: %w", err)
	}
	return keys, "", nil
}

// relatedOrigins are the origins that browsers let use the passkeys of Config.PasskeyDomain though their host isn't below it.
func relatedOrigins(c Config) []string {
	if c.PasskeyDomain == "" {
		return nil
	}
	return append([]string{c.URL}, c.Origins...)
}

func (s *Server) newSessions(c Config, checked checkedConfig, measure *metrics.Metrics) *session.Manager {
	m := &session.Manager{
		Store: measure.Revocations(s.cached.sessions), Accounts: auth.Epochs(s.cached.accounts), Idle: c.Idle, Lifetime: c.Lifetime, MaxSessions: c.MaxSessions,
		AppTokens: c.AppTokens, Passive: httpapi.Passive, Audit: s.Audit, Log: c.Log,
	}
	if s.storage.django != nil {
		m.Tickets = django.SessionKeys{} // Django's session keys
	}
	c.setCookie(m, checked.https())
	s.devices = s.newDevices(c, m)
	return m
}

// newFactors returns the service that changes and checks factors; nil if there are no stores for them.
func (s *Server) newFactors(checked checkedConfig) *authenticator.Service {
	if s.storage.Factors == nil {
		return nil
	}
	return &authenticator.Service{
		Factors: s.storage.Factors, Steps: s.steps, Keys: s.dataKeys, Guard: s.throttle,
		Issuer: cmp.Or(checked.name, checked.url.Hostname()), Tags: func() [][]byte { return s.keys.Derive("enrolment") }, Log: s.Log,
		Patience: time.Second,
	}
}

func (s *Server) newTokens(c Config) *token.Service {
	t := &token.Service{Store: s.cached.tokens, Audit: s.Audit, Log: c.Log}
	if s.storage.django != nil {
		s.storage.django.ConfigureTokens(t)
	}
	return t
}

// connect registers the hooks through which one part of the server learns what another has done. The hook fields of Sessions
// and Accounts are left to the program.
func (s *Server) connect(measure *metrics.Metrics) {
	s.Sessions.Observe(s.events.SessionsEnded, nil)
	if s.grants != nil {
		s.Sessions.Observe(s.grants.Ended, nil)
	}
	s.Accounts.Observe(s.events.Wake)
	if s.storage.django != nil { // upstreams see the cookie
		s.Sessions.OnCookieChange = s.gateway.Moved
	}
	if measure != nil {
		measure.Watch(s.hasher)
		measure.WatchAudit(s.Audit)
		measure.WatchStreams(s.events.Len)
		if s.storage.Mail != nil {
			measure.WatchMail(s.countMail)
		}
		measure.WatchLive(s.storage.Sessions, s.storage.Signins)
		measure.WatchWebhooks(s.webhooks)
		s.Sessions.Observe(measure.Ended, measure.Checked)
	}
}

// countMail returns how many messages wait, at most 1,000.
func (s *Server) countMail(ctx context.Context) (int, error) {
	all, err := s.storage.Mail.List(ctx, "", 1000)
	return len(all), err
}

// csrf is the part of the Config that package csrf reads, without the keys.
func (c *Config) csrf() csrf.Config {
	return csrf.Config{
		URL: c.URL, Origins: c.Origins, Strict: c.StrictCSRF, InsecureHTTP: c.InsecureHTTP, SharedCookie: c.besideDjango(),
	}
}

// gateway is the part of the Config that package gateway reads.
func (c *Config) gateway() gateway.Config {
	return gateway.Config{
		App: c.App, Upstreams: c.Upstreams, Rules: c.Rules, UpstreamTimeout: c.UpstreamTimeout,
		UpstreamTokens: c.UpstreamTokens, UnsafePaths: c.UnsafePaths, PassGroups: c.PassGroups, URL: c.URL, SignIn: c.SignInPath, Owns: httpapi.Owns, Log: c.Log,
	}
}

// gatewayConfig is the gateway's configuration with the parts of the server that it needs.
func (s *Server) gatewayConfig(c Config, checked checkedConfig, protection *csrf.Protection) gateway.Config {
	g := c.gateway()
	g.Auth, g.Audit, g.CSRF, g.Client, g.Signer = s.Auth, s.Audit, protection, checked.proxies, s.jwt.Keys
	if s.grants != nil {
		g.Tokens = upstreamTokens{s.grants}
	}
	g.Cookies = slices.Concat([]string{httpapi.DeviceCookie, device.CookieName}, httpapi.PendingCookies, httpapi.AttemptCookies)
	if theirs := s.storage.django; theirs != nil { // Django needs the session cookie as well
		g.Shared = &gateway.Shared{Name: s.Sessions.CookieName, Sessions: s.Sessions, Succeeded: theirs.Superseded}
	} else {
		g.Cookies = append(g.Cookies, s.Sessions.CookieName)
	}
	return g
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

// Handler answers Cloakroom's routes and passes every other request to next, which learns from package auth who sends it. If
// next is nil, Config.App and Config.Upstreams answer, by Config.Rules; a program that has handlers besides passes to Handler(nil) what
// is left: mux.Handle("/", srv.Handler(nil)). Handler can be called more than once.
func (s *Server) Handler(next http.Handler) http.Handler {
	if next == nil && s.gateway.Serves() {
		next = s.gateway
	}
	return s.api.Handler(next)
}

// Run does the background work until ctx ends, and then returns nil. Without it no mail is sent, no webhook is called, no event reaches
// OnEvent, event streams tell nothing, the latest 10,000 events of the audit log wait in memory until
// Close, and nothing that has expired is deleted; checks of sessions are right all the same. A second Run at the same time is an error.
func (s *Server) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("the server's Run is running already: call it once")
	}
	defer s.running.Store(false)
	g, ctx := errgroup.WithContext(ctx)
	if err := s.PublishURL(ctx); err != nil && ctx.Err() == nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "commands on this database need --url", slog.Any("error", err))
	}
	if err := s.webhooks.Begin(ctx); err != nil && ctx.Err() == nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "webhooks unavailable", slog.Any("error", err)) // its Run adds them later
	}
	g.Go(func() error { return s.Sessions.Run(ctx) })
	g.Go(func() error { return s.events.Run(ctx) })
	g.Go(func() error { return s.Audit.Run(ctx) })
	g.Go(func() error { return s.Tokens.Run(ctx) })
	g.Go(func() error { return s.purgeThrottle(ctx) })
	g.Go(func() error { return s.gateway.Run(ctx) })
	g.Go(func() error { return s.steps.Run(ctx) })
	g.Go(func() error { return s.letters.Run(ctx) })
	g.Go(func() error { return s.webhooks.Run(ctx) })
	if s.grants != nil {
		g.Go(func() error { return s.grants.Run(ctx) })
	}
	for _, cache := range s.cached.caches {
		g.Go(func() error { return s.cached.run(ctx, cache, s.Log) })
	}
	return g.Wait()
}

// purgeThrottle deletes old counters of failed sign-ins every ten minutes. It logs errors and goes on.
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

// MarkUnready makes /readyz answer 503 from now on, so that a load balancer sends no more requests. Requests that still come are
// answered, and streams stay open. A server that stops calls MarkUnready first, and Drain once the load balancer has noticed.
func (s *Server) MarkUnready() { s.api.MarkUnready() }

// Drain calls [Server.MarkUnready], and ends event streams and the WebSockets and streams of upstreams. Requests that still come
// are answered.
func (s *Server) Drain() {
	s.api.Drain()
	s.gateway.Drain()
}

// userIDByLogin returns the ID of the user with a username or address as it was typed; "" if there is none.
func (s *Server) userIDByLogin(ctx context.Context, login string) string {
	u, err := s.cached.accounts.Find(ctx, account.CanonicalLogin(login))
	if err != nil {
		return ""
	}
	return u.ID
}

func (s *Server) onClose(close func() error) { s.closers = append(s.closers, close) }

// Close writes the last audit events and closes the databases. Stop serving, and Run, before.
func (s *Server) Close() error {
	var err error
	for _, close := range slices.Backward(s.closers) {
		err = errors.Join(err, close())
	}
	s.closers = nil
	return err
}

// closeTimeout bounds how long Close waits for the database of the audit log.
const closeTimeout = 5 * time.Second

// flushAudit writes the last audit events. Its error says how many are missing.
func (s *Server) flushAudit() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.Audit.Flush(ctx); err != nil {
		return fmt.Errorf("the audit log lacks %d of the last events, since the database took no more: %w", s.Audit.Stats().Waiting, err)
	}
	return nil
}

// RotationOptions says how [Server.RotateKey] changes the key that signs JWTs.
type RotationOptions struct {
	// JWTAlgorithm is the algorithm of the new key: "EdDSA" or "ES256". "": that of the current one.
	JWTAlgorithm string

	// DropJWTKeys makes every JWT invalid that was signed with an earlier key, as after a leak.
	DropJWTKeys bool

	// Reseal makes a new data key as well, and seals everything under it that is sealed under the former one.
	Reseal bool
}

// RotateKey replaces the server secret and the key that signs JWTs. What was made with earlier ones stays valid, except as r
// says. Other processes load the new keys by themselves.
func (s *Server) RotateKey(ctx context.Context, r RotationOptions) error {
	// The new key for JWTs is made first, so that it, too, is sealed with the new secret in the end.
	if err := s.jwt.Keys.Rotate(ctx, jwt.Rotation{Algorithm: r.JWTAlgorithm, Drop: r.DropJWTKeys}); err != nil {
		return err
	}
	if err := keyring.Rotate(ctx, s.keyFile, s.storage.Sealed); err != nil || !r.Reseal {
		return err
	}
	ring, err := keyring.Load(s.keyFile) // s.keys may still have the former secret as the current one
	if err != nil {
		return err
	}
	_, err = keyring.NewDataKeys(ring, s.storage.Sealed).Reseal(ctx, s.storage.sealedColumns()...)
	return err
}

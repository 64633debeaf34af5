package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Config says what a [Gateway] serves, and who may use it.
type Config struct {
	App             string        // the folder of a built single-page app; "": none
	Upstreams       []string      // [PREFIX=]URL; see [New]
	UpstreamTokens  []string      // PREFIX=NAME: the upstream with this prefix gets the access tokens of this provider
	Rules           []string      // "LEVEL [METHOD,…] PATH"; the first that matches a request applies
	UnsafePaths     []string      // prefixes of the upstreams that accept paths which servers read differently
	PassGroups      string        // where upstreams find groups: "header", "assertion", "none"; "" or "both"
	UpstreamTimeout time.Duration // until an upstream's answer begins; 0: a minute
	Stall           time.Duration // how long a client may pause within a body; 0: a minute

	URL     string                 // the public address: scheme and host
	SignIn  string                 // the path of a sign-in page of the app or an upstream, which is public; "": Cloakroom's own page
	Owns    func(path string) bool // reports whether Cloakroom itself answers a path, before the gateway; nil: never
	Cookies []string               // names of our cookies, which upstreams neither see nor set; one that ends in * stands for all that begin so

	Shared *Shared // the session cookie, if upstreams see and set it; nil: they don't

	Auth   *auth.Resolver
	CSRF   *csrf.Protection
	Client reqinfo.Proxies
	Signer Signer       // nil: no assertions
	Tokens Tokens       // needed with UpstreamTokens
	Audit  *audit.Log   // records refused requests of other sites; nil: nothing is recorded
	Log    *slog.Logger // nil: slog.Default()
}

// Gateway answers with the app's files and the upstreams' answers. It is safe for concurrent use.
type Gateway struct {
	c             Config
	app           *app // nil: none
	upstreams     []*upstream
	unsafe        []string // prefixes
	rules         rules
	assertions    assertions
	streams       streams
	cookieChanges cookieChanges
	budget        bodyBudget // memory for bodies that are read whole
}

// New returns a Gateway, or an error that names the field of the configuration that is wrong.
//
// An upstream is http://HOST:PORT, https://HOST, h2c://HOST:PORT (HTTP/2 without TLS) or unix:PATH. With a prefix, as in
// /api=http://…, it gets the paths below that prefix; the longest prefix wins. Without one it gets all other paths. Paths
// are passed on unchanged.
func New(c Config) (*Gateway, error) {
	g := &Gateway{c: c, assertions: assertions{signer: c.Signer}}
	if g.c.Log == nil {
		g.c.Log = slog.Default()
	}
	g.c.UpstreamTimeout = cmp.Or(c.UpstreamTimeout, time.Minute)
	g.c.Stall = cmp.Or(c.Stall, time.Minute)
	var err error
	if g.rules, err = parseRules(c.Rules); err != nil {
		return nil, err
	}
	for i, r := range g.rules {
		if path := "/" + strings.Join(r.path, "/"); len(r.path) > 0 && g.owns(path) {
			return nil, fmt.Errorf("Config.Rules %q: %s belongs to Cloakroom itself, which has rules of its own", c.Rules[i], path)
		}
	}
	if c.App != "" {
		if g.app, err = openApp(c.App); err != nil {
			return nil, fmt.Errorf("Config.App: %w", err)
		}
	}
	if g.upstreams, err = g.openUpstreams(c.Upstreams); err != nil {
		return nil, fmt.Errorf("Config.Upstreams: %w", err)
	}
	if err = g.openTokens(c.UpstreamTokens); err != nil {
		return nil, fmt.Errorf("Config.UpstreamTokens: %w", err)
	}
	if err = g.openUnsafe(c.UnsafePaths); err != nil {
		return nil, fmt.Errorf("Config.UnsafePaths: %w", err)
	}
	if err = g.checkSignIn(c.Rules); err != nil {
		return nil, fmt.Errorf("Config.SignInPath %q %w", c.SignIn, err)
	}
	if !slices.Contains([]string{"", "both", "header", "assertion", "none"}, c.PassGroups) {
		return nil, fmt.Errorf("Config.PassGroups %q: want both, header, assertion or none", c.PassGroups)
	}
	return g, nil
}

// Check returns the error that [New] would return, and opens nothing.
func Check(c Config) error {
	g, err := New(c)
	if err != nil {
		return err
	}
	return g.Close()
}

// Close closes the app's folder and idle connections. Stop serving, and end Run, first.
func (g *Gateway) Close() error {
	for _, u := range g.upstreams {
		u.transport.CloseIdleConnections()
	}
	if g.app == nil {
		return nil
	}
	return g.app.root.Close()
}

func (g *Gateway) owns(path string) bool { return g.c.Owns != nil && g.c.Owns(path) }

// Serves reports whether there is an app or an upstream. Without either, a Gateway still answers forward-auth requests.
func (g *Gateway) Serves() bool { return g.app != nil || len(g.upstreams) > 0 }

// ServeHTTP answers a request that passed auth.Resolver.Handler and the check of its host and origin.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, backend, requirement, err := g.find(r)
	var c caller
	if err == nil {
		c, err = g.admit(r, path, requirement)
	}
	if err != nil {
		g.deny(w, r, err)
		return
	}
	backend.serve(w, r, c)
}

// find returns the backend that answers a request, and the requirement that the caller must meet.
func (g *Gateway) find(r *http.Request) (path string, by backend, d requirement, err error) {
	if path, err = target(r); err == nil {
		by = g.choose(r, path)
		return path, by, g.require(r.Method, path, by.defaultRequirement()), nil
	}
	prefix, ok := g.unsafePrefix(r)
	for _, u := range g.upstreams {
		if ok && u.prefix == prefix {
			return r.URL.Path, u, g.rules.requireBelow(r.Method, prefix, u.defaultRequirement()), nil
		}
	}
	return "", nil, requirement{}, err
}

// caller is the sender of a request that was admitted.
type caller struct {
	path        string         // of the request, decoded
	who         *auth.Identity // nil: not signed in, and the request doesn't need it
	requirement requirement
}

// withStillSignedIn adds to p that a signed-in caller still is: a user could take p for the end of the session.
func (c caller) withStillSignedIn(p *problem.Problem) *problem.Problem {
	if c.who == nil {
		return p
	}
	with := *p
	with.Detail += " You are still signed in."
	return &with
}

// backend answers a request once its caller is admitted.
type backend interface {
	defaultRequirement() requirement // applies if no rule matches the request
	serve(w http.ResponseWriter, r *http.Request, c caller)
}

// choose returns the backend for a path: the upstream with the longest prefix of it; else the app, if it has such a file or
// a browser opens a page, which the app's router decides; else the upstream without a prefix.
func (g *Gateway) choose(r *http.Request, path string) backend {
	var rest *upstream
	for _, u := range g.upstreams { // the longest prefix first
		if u.prefix == "" {
			rest = u
		} else if u.covers(path) {
			return u
		}
	}
	if g.app != nil && (rest == nil || g.app.takes(r, path)) {
		return g.app
	}
	if rest != nil {
		return rest
	}
	return noBackend{}
}

// noBackend answers 404: neither an app nor an upstream has the path.
type noBackend struct{}

func (noBackend) defaultRequirement() requirement { return requirement{} }

func (noBackend) serve(w http.ResponseWriter, r *http.Request, _ caller) {
	refuse(w, r, errNotFound)
}

// admit returns the caller, or an error unless the caller meets the requirement.
func (g *Gateway) admit(r *http.Request, path string, required requirement) (caller, error) {
	if upgrade(r) != "" || r.Header["Sec-Websocket-Key"] != nil {
		if err := g.c.CSRF.CheckHandshake(r, g.byTicket(r.Context())); err != nil {
			return caller{}, err
		}
	}
	ctx := r.Context()
	c := caller{path: path, requirement: required}
	var err error
	if !c.requirement.signedIn {
		c.who, err = auth.FromContext(ctx)
		return c, err
	}
	if c.who, err = auth.Identify(ctx); err != nil {
		return caller{}, err
	}
	return c, c.requirement.check(c.who)
}

// readmit repeats admit after the body of the request has arrived, which may have taken long.
func (g *Gateway) readmit(r *http.Request, c caller) (caller, error) {
	if c.who == nil {
		return c, nil
	}
	who, err := g.currentIdentity(r.Context(), c)
	if isSignedOut(err) && !c.requirement.signedIn {
		c.who = nil
		return c, nil
	}
	if err != nil {
		return caller{}, err
	}
	c.who = who
	return c, c.requirement.check(who)
}

// lost returns why an admitted caller may not continue; nil if they may. A request that began while the sign-in was fresh
// may continue when it no longer is.
func (g *Gateway) lost(ctx context.Context, c caller) error {
	who, err := g.currentIdentity(ctx, c)
	if err == nil && c.requirement.revokedFor(who) {
		err = auth.ErrPermissionDenied
	}
	return err
}

// currentIdentity returns the identity of a caller as it is now, or why there is none. ctx must have the values of the
// request's context. The check doesn't count as a use of the session, and finds it under its present ticket.
func (g *Gateway) currentIdentity(ctx context.Context, c caller) (*auth.Identity, error) {
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	if c.who.Session == nil {
		return auth.IdentifyAgain(ctx)
	}
	who, _, err := g.c.Auth.Recheck(ctx, c.who)
	if err == nil && who == nil {
		err = auth.ErrSessionEnded
	}
	return who, err
}

// isSignedOut reports whether an error of currentIdentity says that the caller is no longer signed in; any other error
// leaves that open.
func isSignedOut(err error) bool {
	p, ok := errors.AsType[*problem.Problem](err)
	return ok && p.Status == http.StatusUnauthorized
}

// byTicket reports whether a request is judged by its session cookie.
func (g *Gateway) byTicket(ctx context.Context) bool {
	return session.RequestFrom(ctx).HasTicket() && !g.c.Auth.CSRFSafe(ctx)
}

var (
	errNotFound = problem.New(http.StatusNotFound, "not_found", "Not found.")
	errReadOnly = problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This file can only be read.")
)

// deny answers why a request is refused. A browser that opens a page is redirected to the sign-in instead. A script could
// not follow that, so its answer names the address of the sign-in.
func (g *Gateway) deny(w http.ResponseWriter, r *http.Request, err error) {
	p := g.problem(r, err)
	if p.Status != http.StatusUnauthorized {
		refuse(w, r, p)
		return
	}
	if navigates(r) {
		setRefusalHeaders(w.Header())
		w.Header().Set("Location", g.signIn(r))
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	answer := *p
	answer.LoginURL = g.c.URL + g.c.signInPath()
	refuse(w, r, &answer)
}

// problem returns the answer to err. An error that isn't a refusal is an outage: nothing is known, so the request is refused.
func (g *Gateway) problem(r *http.Request, err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*csrf.Error](err); ok {
		g.c.Audit.Record(r.Context(), audit.MaliciousKinds.CSRF, slog.String("reason", e.Code))
		return problem.New(http.StatusForbidden, e.Code, e.Detail)
	}
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelDebug // the client went away
	}
	g.c.Log.LogAttrs(r.Context(), level, "unavailable", slog.Any("error", err))
	return problem.Unavailable(r.Context())
}

// refuse answers with p, which depends on the cookie, so no cache may share it.
func refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	setRefusalHeaders(w.Header())
	problem.Write(w, r, p)
}

func setRefusalHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Add("Vary", "Cookie, Accept, Sec-Fetch-Mode, Sec-Fetch-Dest")
}

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
	"github.com/cloakroom-auth/cloakroom/internal/clientip"
	"github.com/cloakroom-auth/cloakroom/internal/limit"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Config says what stands behind a [Gateway], and who may have it.
type Config struct {
	App             string        // the folder of a built single-page app; "": none
	Upstreams       []string      // [PREFIX=]URL; see [New]
	Rules           []string      // "LEVEL [METHOD,…] PATH"; the first that covers a request counts
	UnsafePaths     []string      // prefixes of upstreams that get paths which servers read differently
	PassGroups      string        // where upstreams find groups: "header", "assertion", "none"; "" or "both"
	UpstreamTimeout time.Duration // until an upstream's answer begins; 0: a minute
	Stall           time.Duration // how long a client may keep a body standing still; 0: a minute

	URL     string                 // the public one, scheme and host
	Owns    func(path string) bool // paths that strippedHeaders get here, since they are answered before; nil: none
	Cookies []string               // names of our own, which upstreams neither see nor set

	Shared *Shared // the session cookie, where upstreams see and set it; nil: they don't

	Auth   *auth.Resolver
	CSRF   *csrf.Protection
	Client clientip.Trust
	Signer Signer       // nil: no assertions
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
	budget        bodyBudget // for bodies that are read whole
}

// New returns a Gateway, or an error that says which part of the configuration is wrong, in the terms of the command line.
//
// An upstream is http://HOST:PORT, https://HOST, h2c://HOST:PORT (HTTP/2 without TLS) or unix:PATH. With a prefix, as in
// /api=http://…, it has the paths below that prefix; of several prefixes the longest counts. It gets each path as it came.
// Without a prefix it has what is left.
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
			return nil, fmt.Errorf("Config.Rules %q: %s is Cloakroom's own, and has its own rules", c.Rules[i], path)
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
	if err = g.openUnsafe(c.UnsafePaths); err != nil {
		return nil, fmt.Errorf("--unsafe-paths: %w", err)
	}
	if !slices.Contains([]string{"", "both", "header", "assertion", "none"}, c.PassGroups) {
		return nil, fmt.Errorf("--pass-groups %q: want both, header, assertion or none", c.PassGroups)
	}
	return g, nil
}

// Check returns the error that [New] would return, and leaves nothing open.
func Check(c Config) error {
	g, err := New(c)
	if err != nil {
		return err
	}
	return g.Close()
}

// Close lets go of the app's folder and of idle connections. Stop serving, and Run, before.
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

// Serves reports whether there is an app or an upstream. Without either, a Gateway still decides for other proxies.
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

// find returns who answers a request, and what is demanded of the caller.
func (g *Gateway) find(r *http.Request) (path string, by backend, d requirement, err error) {
	if path, err = target(r); err == nil {
		by = g.choose(r, path)
		return path, by, g.rules.require(r.Method, path, by.defaultRequirement()), nil
	}
	prefix, ok := g.unsafePrefix(r)
	for _, u := range g.upstreams {
		if ok && u.prefix == prefix {
			return r.URL.Path, u, g.rules.requireBelow(r.Method, prefix, u.defaultRequirement()), nil
		}
	}
	return "", nil, requirement{}, err
}

// caller is somebody who may have what they ask for.
type caller struct {
	path        string         // what they ask for, decoded
	who         *auth.Identity // nil: nobody, and nobody needs to be
	requirement requirement
}

// assured is p, with a word for a caller who is signed in, and may take what p tells of for the end of that.
func (c caller) withStillSignedIn(p *problem.Problem) *problem.Problem {
	if c.who == nil {
		return p
	}
	with := *p
	with.Detail += " You are still signed in."
	return &with
}

// backend is who answers once the caller is admitted.
type backend interface {
	defaultRequirement() requirement // where no rule covers the request
	serve(w http.ResponseWriter, r *http.Request, c caller)
}

// choose finds who answers: the upstream with the longest prefix of the path; or the app, where it has such a file, or
// where a browser asks for a page and its scripts will know which; or the upstream without a prefix.
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

// nobody answers where there is neither an app nor an upstream for the path.
type noBackend struct{}

func (noBackend) defaultRequirement() requirement { return requirement{} }

func (noBackend) serve(w http.ResponseWriter, r *http.Request, _ caller) {
	refuse(w, r, errNotFound)
}

// checkTimeout bounds what it takes to learn who is asking; a store that takes longer is an outage.
const checkTimeout = 5 * time.Second

// admit lets in who may have what they ask for.
func (g *Gateway) admit(r *http.Request, path string, required requirement) (caller, error) {
	if upgrade(r) != "" || r.Header["Sec-Websocket-Key"] != nil {
		if err := g.c.CSRF.CheckHandshake(r, byTicket(r.Context())); err != nil {
			return caller{}, err
		}
	}
	ctx := limit.For(r.Context(), checkTimeout)
	defer ctx.End()
	c := caller{path: path, requirement: required}
	var err error
	if !c.requirement.signedIn {
		c.who, err = auth.FromContext(ctx)
		return c, err
	}
	if c.who, err = auth.Check(ctx); err != nil {
		return caller{}, err
	}
	return c, c.requirement.check(c.who)
}

// admitAgain is admit, after what took time: the body of the request has come.
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

// lost says why a caller who was let in may do no more what they began. That a sign-in is no longer fresh ends nothing
// that began when it was.
func (g *Gateway) lost(ctx context.Context, c caller) error {
	who, err := g.currentIdentity(ctx, c)
	if err == nil && c.requirement.revokedFor(who) {
		err = auth.ErrPermissionDenied
	}
	return err
}

// now returns the identity of a caller as it is at this moment, or why there is none. ctx must have the values of the
// request's. To ask is no use of a session, and finds it under whatever ticket it has by now.
func (g *Gateway) currentIdentity(ctx context.Context, c caller) (*auth.Identity, error) {
	limited := limit.For(ctx, checkTimeout)
	defer limited.End()
	if c.who.Session == nil {
		return auth.CheckAgain(limited)
	}
	who, _, err := g.c.Auth.Recheck(limited, c.who)
	if err == nil && who == nil {
		err = auth.ErrSessionEnded
	}
	return who, err
}

// ended reports whether an error of now says that the caller is nobody by now, rather than that nothing is known.
func isSignedOut(err error) bool {
	p, ok := errors.AsType[*problem.Problem](err)
	return ok && p.Status == http.StatusUnauthorized
}

// byTicket reports whether a request is judged by its session cookie.
func byTicket(ctx context.Context) bool { return session.Presented(ctx) && !auth.ByHeader(ctx) }

var (
	errNotFound = problem.New(http.StatusNotFound, "not_found", "Not found.")
	errReadOnly = problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "This file can only be read.")
)

// deny answers why the caller isn't let in. A browser that shows a page is led to the sign-in instead; a script is not,
// since it could not follow, and is told where the sign-in is.
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
	answer.LoginURL = g.c.URL + "/signin"
	refuse(w, r, &answer)
}

// problem returns the answer to err. Whatever isn't a refusal is an outage: nothing is known, and nobody gets in.
func (g *Gateway) problem(r *http.Request, err error) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*csrf.Error](err); ok {
		g.c.Audit.Record(r.Context(), audit.Malicious.CSRF, slog.String("reason", e.Code))
		return problem.New(http.StatusForbidden, e.Code, e.Detail)
	}
	level := slog.LevelError
	if r.Context().Err() != nil {
		level = slog.LevelDebug // the client went away
	}
	g.c.Log.LogAttrs(r.Context(), level, "unavailable", slog.Any("error", err))
	return auth.Unavailable(r.Context())
}

// refuse answers with p, which depends on the cookie and is for nobody else.
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

package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/limit"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// ForwardAuth answers the proxies of others, which ask before they pass a request on. The handler belongs behind
// auth.Resolver.Handler, and answers
//
//	/api/authz/forward-auth   Caddy and Traefik, which pass a refusal on to the client as it is
//	/api/authz/auth-request   nginx, which takes 401 and 403 alone for a refusal, and doesn't pass its body on
//	/api/authz/refusal        nginx again, for what to tell the client
//
// A request is refused unless everything is right: the question comes from a trusted proxy, it says what the request was,
// that is for us and beyond doubt, it comes from none but our own pages, and the rules let the caller have it. The answer
// 200 carries the headers that the proxy has to set on the request, empty or not: the identity, as an upstream sees it
// behind our own gateway, and Cookie and Authorization without what is ours.
func (g *Gateway) ForwardAuth() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, ok := endpoints[strings.TrimSuffix(r.URL.EscapedPath(), "/")]
		if !ok {
			refuse(w, r, errNotFound)
			return
		}
		original, c, assertion, err := g.authorize(r, q)
		if err != nil {
			q.refuse(g, w, original, err)
			return
		}
		g.tell(w.Header(), original, c, assertion)
		w.WriteHeader(http.StatusOK) // nowhere else is anybody let in
	})
}

// question is a way to ask.
type endpoint struct {
	read    func(http.Header) (originalRequest, error)
	refuse  func(g *Gateway, w http.ResponseWriter, r *http.Request, err error)
	refused bool // it has been refused: nobody is let in now
}

var endpoints = map[string]endpoint{
	"/api/authz/forward-auth": {read: readForwarded, refuse: (*Gateway).deny},
	"/api/authz/auth-request": {read: readOriginal, refuse: (*Gateway).denyToNginx},
	"/api/authz/refusal":      {read: readOriginal, refuse: (*Gateway).deny, refused: true},
}

// tell writes the headers that the proxy has to set.
func (g *Gateway) tell(h http.Header, r *http.Request, c caller, assertion string) {
	rest := http.Header{"Cookie": r.Header["Cookie"], "Authorization": r.Header["Authorization"]}
	g.hideCredentials(r.Context(), rest, c.who)
	h.Set("Cookie", strings.Join(rest["Cookie"], "; "))
	h.Set("Authorization", rest.Get("Authorization"))
	g.describe(h, c, assertion)
}

// consider judges the request that is asked about. It returns the question itself in its place if it can't be known.
func (g *Gateway) authorize(r *http.Request, q endpoint) (original *http.Request, c caller, assertion string, err error) {
	original, err = g.original(r, q)
	if err != nil {
		return r, caller{}, "", err
	}
	c, err = g.check(original)
	if err == nil && q.refused {
		err = c.withStillSignedIn(errNowAllowed)
	}
	if err == nil {
		assertion, err = g.assertion(original, c)
	}
	return original, c, assertion, err
}

// judge is what happens to a request on its way through our own gateway.
func (g *Gateway) check(r *http.Request) (caller, error) {
	path, err := target(r)
	var required requirement
	if prefix, ok := g.unsafePrefix(r); err != nil && ok {
		path, required = r.URL.Path, g.rules.requireBelow(r.Method, prefix, signedIn)
	} else if err != nil {
		return caller{}, err
	} else if required = g.rules.require(r.Method, path, signedIn); g.owns(path) {
		return caller{}, errMisrouted
	}
	err = g.c.CSRF.Check(r, csrf.Caller{
		Ticket: byTicket(r.Context()), Header: auth.ByHeader(r.Context()),
		Binding:  func() (string, error) { return binding(r.Context()) },
		OtherApp: true,
	})
	if err != nil {
		return caller{}, err
	}
	c, err := g.admit(r, path, required)
	if err == nil {
		err = c.checkExpressible()
	}
	return c, err
}

// binding returns the public ID of the request's session; "" if there is none.
func binding(ctx context.Context) (string, error) {
	limited := limit.For(ctx, checkTimeout)
	defer limited.End()
	s, err := session.FromContext(limited)
	if err != nil || s == nil {
		return "", err
	}
	return s.ID, nil
}

var (
	errUntrustedProxy = problem.New(http.StatusForbidden, "untrusted_proxy",
		"Only a proxy that was named with --trusted-proxy may ask here.")
	errNoOriginal = problem.New(http.StatusBadRequest, "original_request_unknown",
		"The proxy didn't say, or not clearly, what request it asks about.")
	errMisdirected = problem.New(http.StatusMisdirectedRequest, "unknown_host",
		"This server doesn't answer for that host name. Use the address that it was started with (--url).")
	errMisrouted = problem.New(http.StatusForbidden, "misrouted",
		"This path is Cloakroom's own: the proxy must pass it there, and not ask about it.")
	errNowAllowed = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: time.Second,
		Detail: "The service couldn't answer just now. Try again."}
)

// asked is the request that a proxy asks about, in its words.
type originalRequest struct{ method, host, uri string }

// readForwarded takes what Caddy and Traefik write.
func readForwarded(h http.Header) (originalRequest, error) {
	a := originalRequest{single(h, "X-Forwarded-Method"), single(h, "X-Forwarded-Host"), single(h, "X-Forwarded-Uri")}
	switch single(h, "X-Forwarded-Proto") {
	case "http", "https", "ws", "wss":
		return a, nil
	}
	return originalRequest{}, errNoOriginal
}

// readOriginal takes what nginx is told to write: X-Original-Method, and X-Original-URL with scheme and host.
func readOriginal(h http.Header) (originalRequest, error) {
	scheme, rest, ok := strings.Cut(single(h, "X-Original-Url"), "://")
	slash := strings.IndexByte(rest, '/')
	if !ok || scheme != "http" && scheme != "https" || slash < 0 {
		return originalRequest{}, errNoOriginal
	}
	return originalRequest{single(h, "X-Original-Method"), rest[:slash], rest[slash:]}, nil
}

// one returns a header's value; "" if it is there twice.
func single(h http.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// original returns the request that a question is about, with the headers of the question, which are its own.
func (g *Gateway) original(r *http.Request, q endpoint) (*http.Request, error) {
	if !g.c.Client.TrustsPeer(r) {
		return nil, errUntrustedProxy
	}
	a, err := q.read(r.Header)
	if err != nil {
		return nil, err
	}
	u, err := url.ParseRequestURI(a.uri)
	if err != nil || !strings.HasPrefix(a.uri, "/") || a.method == "" || strings.Trim(a.method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return nil, errNoOriginal
	}
	if !g.c.CSRF.AllowedHost(a.host) {
		return nil, errMisdirected
	}
	original := new(http.Request)
	*original = *r
	original.Method, original.Host, original.URL, original.RequestURI = a.method, a.host, u, a.uri
	return original, nil
}

// denyToNginx makes a refusal of what nginx would take for our own failure. What it then tells the client is asked for at
// /api/authz/refusal.
func (g *Gateway) denyToNginx(w http.ResponseWriter, r *http.Request, err error) {
	p := *g.problem(r, err)
	if p.Status != http.StatusUnauthorized {
		p.Status = http.StatusForbidden
	}
	refuse(w, r, &p)
}

// here reports whether the sign-in is at the host that was asked for.
func (g *Gateway) isOwnHost(host string) bool {
	u, err := url.Parse(g.c.URL)
	return err == nil && (strings.EqualFold(strings.TrimSuffix(host, "."), u.Host) || isLoopback(host) && isLoopback(u.Host))
}

func isLoopback(host string) bool {
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if rest, ok := strings.CutPrefix(host, name); ok && (rest == "" || rest[0] == ':') {
			return true
		}
	}
	return false
}

package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// ForwardAuth answers other proxies, which ask before they pass a request on. The handler must be behind
// auth.Resolver.Handler. It answers
//
//	/api/authz/forward-auth   for Caddy and Traefik, which pass a refusal on to the client unchanged
//	/api/authz/auth-request   for nginx, which takes only 401 and 403 for a refusal, and doesn't pass its body on
//	/api/authz/refusal        for nginx again, with the answer for the client
//
// It allows a request only if all of this holds: a trusted proxy asks; it describes the original request completely; that
// request is for our host and has an unambiguous path; an unsafe request comes from our own pages; and the rules allow it.
// The answer 200 has the headers that the proxy must set on the request, empty or not: the identity, as an upstream gets it
// from our own gateway, and Cookie and Authorization without our credentials.
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
		w.WriteHeader(http.StatusOK) // the only place that allows a request
	})
}

// endpoint is one of the paths at which proxies ask.
type endpoint struct {
	read    func(http.Header) (originalRequest, error)
	refuse  func(g *Gateway, w http.ResponseWriter, r *http.Request, err error)
	refused bool // the request was refused before, so it isn't allowed now
}

var endpoints = map[string]endpoint{
	"/api/authz/forward-auth": {read: readForwarded, refuse: (*Gateway).deny},
	"/api/authz/auth-request": {read: readOriginal, refuse: (*Gateway).denyToNginx},
	"/api/authz/refusal":      {read: readOriginal, refuse: (*Gateway).deny, refused: true},
}

// forBrowsers are headers that say what a browser may do with an answer. The proxy doesn't pass on those of an answer that allows a request,
// and each costs nginx most of a microsecond.
var forBrowsers = []string{
	"X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy", "Content-Security-Policy",
}

// tell writes the headers that the proxy must set on the request.
func (g *Gateway) tell(h http.Header, r *http.Request, c caller, assertion string) {
	for _, name := range forBrowsers {
		delete(h, name)
	}
	rest := http.Header{"Cookie": r.Header["Cookie"], "Authorization": r.Header["Authorization"]}
	g.hideCredentials(r.Context(), rest, c.who)
	h.Set("Cookie", strings.Join(rest["Cookie"], "; "))
	h.Set("Authorization", rest.Get("Authorization"))
	g.describe(h, c, assertion)
}

// authorize checks the original request that a proxy asks about. If that is unknown, it returns the proxy's own request in
// its place.
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

// check applies to r what our own gateway would apply.
func (g *Gateway) check(r *http.Request) (caller, error) {
	path, err := target(r)
	var required requirement
	if prefix, ok := g.unsafePrefix(r); err != nil && ok {
		path, required = r.URL.Path, g.rules.requireBelow(r.Method, prefix, signedIn)
	} else if err != nil {
		return caller{}, err
	} else if required = g.require(r.Method, path, signedIn); g.owns(path) {
		return caller{}, errMisrouted
	}
	err = g.c.CSRF.Check(r, csrf.Caller{
		Ticket: g.byTicket(r.Context()), Header: g.c.Auth.CSRFSafe(r.Context()),
		Binding:  func() (string, error) { return g.c.Auth.SessionID(r.Context()) },
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

var (
	errUntrustedProxy = problem.New(http.StatusForbidden, "untrusted_proxy",
		"Only a proxy that is named with --trusted-proxy may ask here.")
	errNoOriginal = problem.New(http.StatusBadRequest, "original_request_unknown",
		"The proxy didn't say clearly which request it asks about.")
	errMisdirected = problem.New(http.StatusMisdirectedRequest, "unknown_host",
		"This server doesn't answer for that host name. Use the address that it was started with (--url).")
	errMisrouted = problem.New(http.StatusForbidden, "misrouted",
		"This path belongs to Cloakroom itself: the proxy must pass it on to Cloakroom instead of asking about it.")
	errNowAllowed = &problem.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: time.Second,
		Detail: "The service couldn't answer just now. Try again."}
)

// originalRequest is the request that a proxy asks about, as the proxy describes it.
type originalRequest struct{ method, host, uri string }

// readForwarded reads the headers of Caddy and Traefik.
func readForwarded(h http.Header) (originalRequest, error) {
	a := originalRequest{single(h, "X-Forwarded-Method"), single(h, "X-Forwarded-Host"), single(h, "X-Forwarded-Uri")}
	switch single(h, "X-Forwarded-Proto") {
	case "http", "https", "ws", "wss":
		return a, nil
	}
	return originalRequest{}, errNoOriginal
}

// readOriginal reads the headers that our configuration of nginx sets: X-Original-Method, and X-Original-URL with scheme
// and host.
func readOriginal(h http.Header) (originalRequest, error) {
	scheme, rest, ok := strings.Cut(single(h, "X-Original-Url"), "://")
	slash := strings.IndexByte(rest, '/')
	if !ok || scheme != "http" && scheme != "https" || slash < 0 {
		return originalRequest{}, errNoOriginal
	}
	return originalRequest{single(h, "X-Original-Method"), rest[:slash], rest[slash:]}, nil
}

// single returns a header's value; "" if there isn't exactly one.
func single(h http.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// original returns the request that a proxy asks about. The proxy's request has its headers.
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

// denyToNginx answers 401 or 403, because nginx takes every other status for a failure of ours. nginx then asks for the
// client's answer at /api/authz/refusal.
func (g *Gateway) denyToNginx(w http.ResponseWriter, r *http.Request, err error) {
	p := *g.problem(r, err)
	if p.Status != http.StatusUnauthorized {
		p.Status = http.StatusForbidden
	}
	refuse(w, r, &p)
}

// isOwnHost reports whether host is the host of the sign-in.
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

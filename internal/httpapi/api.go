// Package httpapi is the JSON API: the table of routes is in routes.go, the table of errors in problem.go, and
// openapi.yaml describes both.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/clientip"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/session"
)

// API answers the routes of this package. Needed are all fields that have no meaning for their zero value, and Auth.Tokens;
// set them before Handler.
// An API is safe for concurrent use.
type API struct {
	Sessions *session.Manager
	Accounts *account.Service
	Auth     *auth.Resolver
	CSRF     *csrf.Protection
	Client   clientip.Trust
	Keys     *keyring.Ring
	Live     *events.Hub  // of the same Auth
	Pages    Pages        // nil: none
	Authz    http.Handler // answers other proxies under /api/authz; nil: nobody does
	Audit    *audit.Log
	URL      string                      // the public address, for links
	Healthy  func(context.Context) error // nil error: the store can be read and written
	Secure   bool                        // the public URL is https
	Basic    bool                        // HTTP Basic counts on every route, not at sign-in alone
	Knox     Knox                        // the settings of django-rest-knox
	HSTS     string                      // the value of Strict-Transport-Security; "": not sent
	Log      *slog.Logger

	BodyTimeout  time.Duration // how long a client may take to send a body; 0: 15 seconds
	KeepSiteData bool          // a sign-out doesn't tell the browser to drop what pages have stored

	once     sync.Once // makes handlers
	handlers []http.Handler
	userJSON userCache
	draining atomic.Bool
}

// Pages are the HTML pages and their files.
type Pages interface {
	http.Handler
	Match(path string) bool
}

// Retire makes /readyz answer 503 from now on, so that load balancers send no more requests. Those that come all the same
// are answered, and the events streams stay open.
func (a *API) Retire() { a.draining.Store(true) }

// Drain is [API.Retire], and ends the events streams, so that their clients connect elsewhere.
func (a *API) Drain() {
	a.Retire()
	a.Live.Stop()
}

// Handler answers the API's routes and passes everything else to next, with the identity in the context and after the
// same checks of host, origin and CSRF. next may be nil: then everything else is 404, and "/" leads to the account page.
// Several Handlers of one API can be in use at a time.
func (a *API) Handler(next http.Handler) http.Handler {
	a.once.Do(a.prepare)
	if next == nil {
		next = http.HandlerFunc(a.nothing)
	} else {
		next = a.app(next)
	}
	h := a.route(next)
	h = a.CSRF.CORS(a.sameOrigin(h))
	h = a.knownHost(h)
	return a.outermost(a.forProxies(h))
}

// prepare makes what all Handlers share.
func (a *API) prepare() {
	if a.Basic {
		a.Auth.Basic = a.verifyBasic
	}
	a.handlers = make([]http.Handler, len(routes))
	for i, t := range routes {
		a.handlers[i] = t.handler(a)
	}
}

// forProxies answers a proxy that asks about somebody else's request. The question itself comes to whatever host the proxy
// knows us by, and from no page, so it isn't judged by its host and origin: Authz judges what is asked about.
func (a *API) forProxies(next http.Handler) http.Handler {
	if a.Authz == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !under(r.URL.EscapedPath(), "/api/authz") {
			next.ServeHTTP(w, r)
			return
		}
		protect(w.Header())
		a.Authz.ServeHTTP(w, r)
	})
}

// outermost makes the record of the request, keeps a panic to itself, and sets the headers that every answer has.
func (a *API) outermost(next http.Handler) http.Handler {
	next = a.Auth.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := reqinfo.New(r.Context(), a.Client.Addr(r), agent(r))
		r = r.WithContext(record)
		h := w.Header()
		record.SetHeader(h)
		if a.HSTS != "" {
			h.Set("Strict-Transport-Security", a.HSTS)
		}
		defer func() {
			if v := recover(); v != nil {
				a.panicked(w, r, v)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// panicked answers 500. It may: our own handlers write nothing before they are done.
func (a *API) panicked(w http.ResponseWriter, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	a.crashed(r, v)
	w.Header().Del("Set-Cookie")
	refuse(w, r, errServer)
}

func (a *API) crashed(r *http.Request, v any) {
	a.Audit.Record(r.Context(), audit.Sys.Crash,
		slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
}

// app cuts the connection when the app's handler panics, as net/http does: half an answer may be on its way already, and
// must not look like a whole one.
func (a *API) app(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if v != http.ErrAbortHandler {
					a.crashed(r, v)
				}
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// text writes an address; "" if there is none, as on a Unix socket.
func text(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// knownHost refuses requests for a host that nobody configured. Health checks come by address, so they are exempt.
func (a *API) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
		if path != "/healthz" && path != "/readyz" && !a.CSRF.AllowedHost(r.Host) {
			refuse(w, r, errMisdirected)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses unsafe requests that another site's page may have sent.
func (a *API) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := a.formToken(w, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		err = a.CSRF.Check(r, csrf.Caller{
			Ticket: session.RequestFrom(r.Context()).HasTicket() && !auth.ByHeader(r.Context()), Header: auth.ByHeader(r.Context()),
			FormToken: token,
			Binding:   func() (string, error) { return auth.SessionID(r.Context()) },
			OtherApp:  !Owns(r.URL.EscapedPath()) && !Owns(r.URL.Path),
		})
		if err != nil {
			a.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// route finds who answers.
func (a *API) route(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if a.Pages != nil && a.Pages.Match(path) {
			a.Pages.ServeHTTP(w, r)
			return
		}
		h, methods, other := a.find(r)
		if h == nil && methods == nil && !ours(path) && !ours(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		protect(w.Header())
		switch {
		case h != nil:
			h.ServeHTTP(w, r)
		case other != nil && r.Method != http.MethodOptions:
			other.wrongMethod(w, r)
		case methods != nil && r.Method == http.MethodOptions:
			w.Header().Set("Allow", strings.Join(methods, ", "))
			w.WriteHeader(http.StatusNoContent)
		case methods != nil:
			w.Header().Set("Allow", strings.Join(methods, ", "))
			refuse(w, r, methodNotAllowed(r))
		default:
			refuse(w, r, errNotFound)
		}
	})
}

// protective are the headers of every answer that is ours: never cached, never sniffed, never loaded into another site's
// page, and inert if a browser should show it. The names are canonical, and the values are shared by all answers.
var protective = []struct {
	name   string
	values []string
}{
	{"Cache-Control", []string{"no-store"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Referrer-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"}},
}

func protect(h http.Header) {
	for _, p := range protective {
		h[p.name] = p.values
	}
	switch vary := h["Vary"]; {
	case len(vary) == 1 && vary[0] == "Origin": // as package csrf leaves it
		h["Vary"] = varies
	case !slices.Contains(vary, "Cookie"):
		h.Add("Vary", "Cookie")
	}
}

// varies is shared by all answers.
var varies = []string{"Origin", "Cookie"}

// nothing answers what is neither ours nor anybody's.
func (a *API) nothing(w http.ResponseWriter, r *http.Request) {
	if a.Pages != nil && r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		protect(w.Header())
		http.Redirect(w, r, "/auth/account", http.StatusSeeOther)
		return
	}
	refuse(w, r, errNotFound)
}

// refuse answers with p, which is ours wherever the request was going.
func refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	protect(w.Header())
	problem.Write(w, r, p)
}

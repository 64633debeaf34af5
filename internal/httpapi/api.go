// Package httpapi is the JSON API: the table of routes is in routes.go, the table of errors in problem.go, and
// openapi.yaml describes both.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
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
	"github.com/cloakroom-auth/cloakroom/federation"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/device"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/grant"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/letters"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/internal/passkey"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	words "github.com/cloakroom-auth/cloakroom/internal/texts"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// API serves the routes of this package. All fields are required whose comment doesn't say what the zero value means. Set
// them before Handler. An API is safe for concurrent use.
type API struct {
	Sessions *session.Manager
	Accounts *account.Service
	Tokens   *token.Service
	JWT      *jwt.Service
	Auth     *auth.Resolver // of these four
	CSRF     *csrf.Protection
	Client   reqinfo.Proxies
	Keys     *keyring.Ring
	// Live has the open event streams. It must have the same Auth.
	Live *events.Hub
	// Letters writes mail; nil: none is sent.
	Letters *letters.Service
	// Steps keeps sign-ins that are not complete.
	Steps *secondstep.Service
	// Passkeys verifies passkeys and security keys; nil: there are none, because of NoPasskeys.
	Passkeys   *passkey.Service
	NoPasskeys string
	// RelatedOrigins may use the passkeys of this one; none: /.well-known/webauthn is the application's.
	RelatedOrigins []string
	// EnrolOnPassword lets users who must have a second factor and have none set one up after the password alone. False: only on
	// a link that sets the password.
	EnrolOnPassword bool
	// Factors adds, removes and checks second factors; nil: users can have none.
	Factors *authenticator.Service
	// Links has the accounts at other providers that are linked to users; nil: users have none.
	Links federation.Store
	// Providers are where people can sign in besides. They need Links and Sealer.
	Providers []*oidc.Provider
	// Grants keeps the tokens of those Providers whose settings say so; nil: there must be no such.
	Grants *grant.Service
	// Sealer seals what browsers keep for the server.
	Sealer *keyring.DataKeys
	// Devices binds sessions to browsers; nil: none is bound.
	Devices *device.Service
	// Pages are the HTML pages; nil: none.
	Pages Pages
	// Texts has the languages that users can have; nil: a user's language stays as it is.
	Texts *words.Catalogue
	// Authz answers other proxies under /api/authz; nil: those paths are not found.
	Authz http.Handler
	Audit *audit.Log
	// URL is the public address, which begins the links that the API returns.
	URL string
	// Healthy returns nil if the stores can be read and written.
	Healthy func(context.Context) error
	// Secure means that URL is https. False: it is http.
	Secure bool
	// Knox has the settings of django-rest-knox. The zero value has its defaults.
	Knox Knox
	// HSTS is the value of Strict-Transport-Security; "": the header isn't sent.
	HSTS string
	Log  *slog.Logger

	// Answered is called after each answer. nil: answers aren't observed.
	Answered func(*http.Request, Answer)

	// BodyTimeout is how long a client may take to send a body; 0: 15 seconds.
	BodyTimeout time.Duration
	// NoAccountDeletion and NoAccountData mean that users can't delete their accounts themselves, and that they can't take their data along.
	// False: they can.
	NoAccountDeletion, NoAccountData bool
	// KeepSiteData means that a sign-out doesn't make the browser delete what pages have stored. False: it does.
	KeepSiteData bool

	once     sync.Once // runs prepare
	handlers []http.Handler
	index    routeIndex
	userJSON userCache
	draining atomic.Bool
}

// Pages are the HTML pages and their files.
type Pages interface {
	http.Handler
	Match(path string) bool
}

// MarkUnready makes /readyz answer 503 from now on, so that load balancers send no more requests. The API goes on to answer
// requests, and the event streams stay open.
func (a *API) MarkUnready() { a.draining.Store(true) }

// Drain does what [API.MarkUnready] does, and ends the event streams, so that their clients connect to another node.
func (a *API) Drain() {
	a.MarkUnready()
	a.Live.Stop()
}

// Handler returns a handler that serves the API's routes and passes every other request to next, with the identity in the
// context and after the same checks of host, origin and CSRF. If next is nil, every other request is answered with 404, and
// "/" redirects to the account page if there are pages. Several handlers of one API can be used at the same time.
func (a *API) Handler(next http.Handler) http.Handler {
	a.once.Do(a.prepare)
	if next == nil {
		next = http.HandlerFunc(a.notFound)
	} else {
		next = a.app(next)
	}
	h := a.route(next)
	h = a.CSRF.CORS(a.checkCSRF(h))
	h = a.checkHost(h)
	return a.outermost(a.authz(h))
}

// prepare makes the handlers of the routes, once for all calls of Handler.
func (a *API) prepare() {
	a.index = newRouteIndex()
	a.handlers = make([]http.Handler, len(routes))
	for i, t := range routes {
		a.handlers[i] = t.handler(a)
	}
}

// authz passes the requests under /api/authz to Authz. By them another proxy asks about a request of its client. Host and
// origin of such a request are the proxy's, so they aren't checked here; Authz checks those of the client's request.
func (a *API) authz(next http.Handler) http.Handler {
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

// outermost puts the record of the request into the context, turns a panic into a response, and sets the headers of every
// response. A handler that a program has put below another one of the same server finds all that done.
func (a *API) outermost(inner http.Handler) http.Handler {
	next := a.Auth.Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if outer := reqinfo.Of(r.Context()); outer != nil && outer.Server == any(a) {
			inner.ServeHTTP(w, r)
			return
		}
		record := reqinfo.New(r.Context(), a.Client.Addr(r), agent(r))
		record.Server = a
		record.NoteTrace(r.Header)
		r = r.WithContext(record)
		if a.Answered != nil {
			observed := &observed{ResponseWriter: w}
			w = observed
			defer a.answered(r, observed, time.Now())
		}
		h := w.Header()
		record.SetHeader(h)
		if a.HSTS != "" {
			h.Set("Strict-Transport-Security", a.HSTS)
		}
		defer func() {
			if v := recover(); v != nil {
				a.answerPanic(w, r, v)
			}
		}()
		next.ServeHTTP(w, r)
		if observed, ok := w.(*observed); ok {
			observed.note(http.StatusOK) // net/http writes it for a handler that has written nothing
		}
	})
}

// answerPanic answers 500. That is possible because our own handlers write nothing before they are done.
func (a *API) answerPanic(w http.ResponseWriter, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v)
	}
	a.recordPanic(r, v)
	w.Header().Del("Set-Cookie")
	refuse(w, r, errServer)
}

func (a *API) recordPanic(r *http.Request, v any) {
	a.Audit.Record(r.Context(), audit.SysKinds.Crash,
		slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
}

// app closes the connection if next, the application's handler, panics, as net/http does: a part of the response may have
// been sent, and must not look complete.
func (a *API) app(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if v != http.ErrAbortHandler {
					a.recordPanic(r, v)
				}
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// addressText returns the text of an address, or "" if there is none, as on a Unix socket.
func addressText(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// checkHost refuses requests for a host that isn't configured. Health checks are exempt, since they use the IP address, and so
// is the list of related origins at the host of the passkeys' domain, where browsers ask for it.
func (a *API) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.CSRF.AllowedHost(r.Host) && !a.servesAnyHost(r) {
			refuse(w, r, errMisdirected)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *API) servesAnyHost(r *http.Request) bool {
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	return path == "/healthz" || path == "/readyz" || a.asksRelatedOrigins(r, path)
}

func (a *API) asksRelatedOrigins(r *http.Request, path string) bool {
	return path == relatedOriginsPath && (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(a.RelatedOrigins) > 0 &&
		a.Passkeys != nil && strings.EqualFold((&url.URL{Host: r.Host}).Hostname(), a.Passkeys.RPID)
}

// checkCSRF refuses unsafe requests that a page of another site may have sent. The answer of a provider as a form is no such request,
// since it changes nothing, nor is what browsers send by themselves.
func (a *API) checkCSRF(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if csrf.IsSafe(r.Method) || a.isProvidersForm(r) || isFromBrowserItself(r) {
			next.ServeHTTP(w, r)
			return
		}
		token, err := a.formToken(w, r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		err = a.CSRF.Check(r, csrf.Caller{
			Ticket: session.RequestFrom(r.Context()).HasTicket() && !a.Auth.CSRFSafe(r.Context()), Header: a.Auth.CSRFSafe(r.Context()),
			FormToken: token,
			Binding:   func() (string, error) { return a.Auth.SessionID(r.Context()) },
			OtherApp:  !Owns(r.URL.EscapedPath()) && !Owns(r.URL.Path),
		})
		if err != nil {
			a.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// route passes the request to the pages, to the handler of a route, or to next.
func (a *API) route(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if a.Pages != nil && a.Pages.Match(path) {
			a.Pages.ServeHTTP(w, r)
			return
		}
		h, methods, compat := a.find(r, path)
		if h == nil && methods == nil && !ours(path) && !ours(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		protect(w.Header())
		switch {
		case h != nil:
			h.ServeHTTP(w, r)
		case compat != nil && r.Method != http.MethodOptions:
			compat.wrongMethod(w, r)
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

// protective are the headers of every response of ours, except the answer that allows a proxy's request, which no browser gets. It is
// never cached, no browser guesses its type, pages of other sites can't load it, and it can run nothing if a browser shows it. The
// names are canonical. All responses share the values.
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
	case len(vary) == 1 && vary[0] == "Origin": // set by package csrf
		h["Vary"] = varies
	case !slices.Contains(vary, "Cookie"):
		h.Add("Vary", "Cookie")
	}
}

// varies is shared by all responses.
var varies = []string{"Origin", "Cookie"}

// notFound answers requests for paths outside the API if there is no application.
func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	if a.Pages != nil && r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		protect(w.Header())
		http.Redirect(w, r, "/auth/account", http.StatusSeeOther)
		return
	}
	refuse(w, r, errNotFound)
}

// refuse answers with p and the headers of our own responses, even if the request was for the application.
func refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	protect(w.Header())
	problem.Write(w, r, p)
}

// Package csrf decides which origins may send requests, and from that one list protects against CSRF and answers CORS.
//
// Browsers say with every unsafe request where it comes from, in Sec-Fetch-Site and Origin, and pages can't change these
// headers. [http.CrossOriginProtection] checks them, against the configured origins and not against the Host header, which a
// proxy or an attacker may have chosen. Programs that are not browsers send neither header, and are accepted.
//
// In addition there is Django's csrftoken, for clients that send it anyway, for requests whose headers were removed on the
// way, and for strict mode: NIST SP 800-63B-4 section 5.1 asks for a value bound to the session. A token is 32 characters of
// a-z, A-Z and 0-9. The token of a session is derived from the session's public ID with a key that only the server has, so a
// cookie planted by a sibling domain is useless. Without a session the token is random, and the header has to repeat the
// cookie; in strict mode the token must have been made by the server. A token is never taken from a query string.
package csrf

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
)

// Config has the public URL and the trusted origins.
type Config struct {
	// URL is the public URL: scheme://host, with the port unless it is the scheme's default. If the host is localhost,
	// 127.0.0.1 or [::1], the other two are accepted, too.
	URL string

	// Origins are fully trusted: a page there can do whatever its visitor can. Each must be same-site with URL, since
	// browsers would not send the session cookie otherwise.
	Origins []string

	InsecureHTTP bool // allow an http URL whose host is not localhost
	Strict       bool // require the token in every unsafe request that a page could make a browser send

	// SharedCookie says that another program sets the cookie csrftoken, too, such as a Django project that shares the
	// sessions. Unless Strict, a session's token may then be whatever that cookie contains, as in Django, if the browser has
	// said that the request comes from one of the configured origins.
	SharedCookie bool

	// Keys returns the keys of tokens, at least one: the first makes tokens, and all of them verify them. It is called for
	// each token, and must be safe for concurrent use.
	Keys func() [][]byte
}

// Protection checks requests. It is safe for concurrent use.
type Protection struct {
	origins map[string]bool // as browsers write them
	hosts   map[string]bool
	fetch   *http.CrossOriginProtection
	keys    func() [][]byte
	strict  bool
	shared  bool // another program sets the cookie, too
	secure  bool
}

// Validate returns an error if a field other than Keys is wrong. Its text says what to write instead. It wraps [ErrOriginNotSameSite]
// if one of Origins is another site than URL.
func (c Config) Validate() error {
	_, _, err := parseOrigins(c)
	return err
}

// New returns a Protection, or an error that says which entry of the configuration is wrong and what to write instead. The
// error wraps [ErrOriginNotSameSite] if one of Origins is another site than URL.
func New(c Config) (*Protection, error) {
	if c.Keys == nil {
		return nil, errors.New("csrf: no keys")
	}
	own, extra, err := parseOrigins(c)
	if err != nil {
		return nil, err
	}
	p := &Protection{
		origins: map[string]bool{},
		hosts:   map[string]bool{},
		fetch:   http.NewCrossOriginProtection(),
		keys:    c.Keys,
		strict:  c.Strict,
		shared:  c.SharedCookie && !c.Strict,
		secure:  own[0].scheme == "https",
	}
	for _, o := range append(own, extra...) {
		p.origins[o.String()] = true
		o.addHosts(p.hosts)
		if err := p.fetch.AddTrustedOrigin(o.String()); err != nil {
			return nil, fmt.Errorf("trust %v: %w", o, err)
		}
	}
	return p, nil
}

// Error says why a request was refused, which is answered with 403.
type Error struct {
	Code   string // "csrf_failed", or "origin_required" for a session cookie without Origin or Sec-Fetch-Site
	Detail string // a sentence; Django REST framework's if it has one
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

func failed(format string, args ...any) *Error {
	return &Error{"csrf_failed", "CSRF Failed: " + fmt.Sprintf(format, args...)}
}

// Caller is what is known about the sender of a request. The zero Caller has no session.
type Caller struct {
	// Ticket says that the request has a session cookie and is authenticated by it.
	Ticket bool

	// Header says that the request is authenticated by a credential in a header, such as an API token. No page can make a
	// browser send one, so the csrftoken is neither required nor checked.
	Header bool

	// Binding returns the public ID of the session, or "" if there is no live one. It is called only when a token is
	// compared; its error ends the check. nil: there is no session.
	Binding func() (string, error)

	// FormToken is the field csrfmiddlewaretoken of a submitted form. It takes precedence over the header, as in Django.
	FormToken string

	// OtherApp says that the request is for another application, whose own framework may use the header X-CSRFToken with
	// values of its own. The header is read only if the browser hasn't said where the request comes from, and in strict
	// mode.
	OtherApp bool
}

// IsSafe reports whether [Protection.Check] accepts every request with this method: GET, HEAD and OPTIONS change nothing (RFC 9110, 9.2.1).
func IsSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Check returns why a request is refused; nil if it is accepted. GET, HEAD and OPTIONS are always accepted. The error is an
// *[Error], or that of Binding. The rules, in order:
//
//   - A request from another origin than the configured ones is refused, whatever its credential, even without one.
//     If Sec-Fetch-Site is missing, Origin must equal one of them exactly, including the scheme.
//   - A token in the header X-CSRFToken or in the form must be right; but see OtherApp.
//   - Without a token, a request with a session cookie must have Sec-Fetch-Site or Origin.
//   - In strict mode, requests with a session cookie and all requests of browsers must have a token.
func (p *Protection) Check(r *http.Request, c Caller) error {
	if IsSafe(r.Method) {
		return nil
	}
	if err := p.checkOrigin(r); err != nil {
		return err
	}
	if c.Header {
		return nil
	}
	browser := fromBrowser(r)
	if c.OtherApp && browser && !p.strict {
		return nil
	}
	switch header := r.Header[headerKey]; {
	case c.FormToken != "":
		return p.checkToken(r, c, c.FormToken, "from POST")
	case len(header) > 1:
		return failed("CSRF token %s incorrect.", fromHeader)
	case len(header) == 1 && header[0] != "":
		return p.checkToken(r, c, header[0], fromHeader)
	case p.strict && (c.Ticket || browser):
		return failed("CSRF token missing.")
	case c.Ticket && !browser:
		return &Error{"origin_required", "This request has a session cookie, but neither Origin nor Sec-Fetch-Site says " +
			"where it comes from. Send the X-CSRFToken header, or authenticate with a token instead of the cookie."}
	}
	return nil
}

// Trusts reports whether origin, as browsers write it, is that of the configured URL or one of the configured origins.
func (p *Protection) Trusts(origin string) bool { return p.origins[origin] }

// fromBrowser reports whether the request says where it comes from.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// CheckHandshake checks whether a request may open a WebSocket; ticket says that it has a session cookie. Any page can open
// one with the visitor's cookies and read what it receives, so the GET is checked like an unsafe request. No token is
// required, even in strict mode, since a page can't set headers here. The error is an *[Error].
func (p *Protection) CheckHandshake(r *http.Request, ticket bool) error {
	unsafe := new(http.Request)
	*unsafe = *r
	unsafe.Method = http.MethodPost
	if err := p.checkOrigin(unsafe); err != nil {
		return err
	}
	if ticket && !fromBrowser(r) {
		return &Error{"origin_required", "This WebSocket has a session cookie, but neither Origin nor Sec-Fetch-Site says " +
			"where it comes from. Send Origin, or authenticate with a token instead of the cookie."}
	}
	return nil
}

const fromHeader = "from the 'X-Csrftoken' HTTP header" // Django's spelling, whatever the client's

var headerKey = textproto.CanonicalMIMEHeaderKey("X-CSRFToken")

// CheckOrigin checks where a request comes from, as Check does for an unsafe one, whatever its method. It is for requests
// that change nothing but hold resources. The error is an *[Error].
func (p *Protection) CheckOrigin(r *http.Request) error {
	asked := *r
	asked.Method = http.MethodPost
	return p.checkOrigin(&asked)
}

func (p *Protection) checkOrigin(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	err := p.fetch.Check(r)
	if err == nil && (site != "" || origin == "" || p.origins[origin]) {
		return nil // a Host that equals Origin's is not enough: it says nothing about the scheme
	}
	if origin == "" {
		return failed("Origin checking failed - the browser calls the request %.20q, and names no origin.", site)
	}
	return failed("Origin checking failed - %.300s does not match any trusted origins.", origin)
}

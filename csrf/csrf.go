// Package csrf knows which origins may talk to us, and from that one list answers for CSRF and for CORS.
//
// A browser says with every unsafe request where it comes from, in Sec-Fetch-Site and Origin, and a page can't change
// what it says. That is what protects: [http.CrossOriginProtection] judges it, against the configured origins and not
// against the Host header, which a proxy or an attacker may have chosen. A program sends neither header, and passes.
//
// Besides there is Django's csrftoken, for clients that send it anyway, for requests whose headers were stripped on the
// way, and for strict mode: NIST SP 800-63B-4 section 5.1 asks for a value bound to the session. Such a token is 32
// characters of a-z, A-Z and 0-9. That of a session is derived from the session's public ID with a key that only the
// server has, so a cookie planted by a sibling domain is worth nothing; without a session the token is random, the
// header has to repeat the cookie, and in strict mode it must carry a seal of ours. A token is never taken from a query
// string.
package csrf

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
)

// Config says who we are and whom we trust.
type Config struct {
	// URL is the public one: scheme://host, with the port unless it is the scheme's own. If the host is localhost,
	// 127.0.0.1 or [::1], the others are ours too.
	URL string

	// Origins are trusted like our own, which means entirely: a page there can do what its visitor can. Each must be
	// same-site with URL, since the browser would not send the session cookie from anywhere else.
	Origins []string

	InsecureHTTP bool // allow an http URL whose host is not this machine
	Strict       bool // require the token of every unsafe request that a browser could be made to send

	// SharedCookie: another program of ours sets the cookie csrftoken, too, such as a Django that shares the sessions. Unless
	// Strict, a session's token may then be whatever that cookie holds, as at Django, where the browser has said that the
	// request comes from one of our origins.
	SharedCookie bool

	// Keys returns the keys of tokens, at least one: the first makes them, all of them check them. It is called for each
	// token, and must be safe for concurrent use.
	Keys func() [][]byte
}

// Protection judges requests. It is safe for concurrent use.
type Protection struct {
	origins map[string]bool // as browsers write them
	hosts   map[string]bool
	fetch   *http.CrossOriginProtection
	keys    func() [][]byte
	strict  bool
	shared  bool // the cookie is, with another program
	secure  bool
}

// New returns a Protection, or an error that says which entry of the configuration is wrong and what to write instead.
// It wraps [ErrCrossSite] if one of Origins is another site than URL.
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

// Error says why a request was refused; it is answered with 403.
type Error struct {
	Code   string // "csrf_failed", or "origin_required" for a session cookie from nobody knows where
	Detail string // a sentence; Django REST framework's where it has one
}

func (e *Error) Error() string { return e.Code + ": " + e.Detail }

func failed(format string, args ...any) *Error {
	return &Error{"csrf_failed", "CSRF Failed: " + fmt.Sprintf(format, args...)}
}

// Caller is what is known about the sender of a request. The zero Caller has no session.
type Caller struct {
	// Ticket: the request carries a session cookie, and is judged by it.
	Ticket bool

	// Header: the request is judged by a credential in a header, such as an API token. No other page can make a browser
	// send one, so the csrftoken is neither required nor looked at.
	Header bool

	// Binding returns the public ID of the session, or "" if there is no live one. It is called only when a token is
	// compared; its error ends the check. Nil: there is none.
	Binding func() (string, error)

	// FormToken is the field csrfmiddlewaretoken of a submitted form. It goes before the header, as in Django.
	FormToken string

	// OtherApp: the request is for another application, whose own framework may use the header X-CSRFToken with values of
	// its own. The header is read only where the browser hasn't said where the request comes from, and in strict mode.
	OtherApp bool
}

// Check reports whether a request may do what its method says. GET, HEAD and OPTIONS always may. The error is an *[Error],
// or that of Binding. In this order:
//
//   - A request from another origin than the configured ones is refused, whatever its credential, be it anonymous or not.
//     Where Sec-Fetch-Site is missing, Origin must be one of them to the letter, scheme included.
//   - A token that was sent, in the header X-CSRFToken or the form, must be right; but see OtherApp.
//   - Without a token, a request with a session cookie must have Sec-Fetch-Site or Origin.
//   - In strict mode the token must be there: in a request with a session cookie, and in any from a browser.
func (p *Protection) Check(r *http.Request, c Caller) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
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

// fromBrowser reports whether the request says where it comes from.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// CheckHandshake reports whether a request may begin a WebSocket; ticket: it carries a session cookie. Any page can begin
// one, with the visitor's cookies, and nothing keeps it from reading what comes, so the GET is judged like an unsafe
// request. No token is asked for, even in strict mode: a page can't send headers of its own here. The error is an *[Error].
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

// CheckOrigin judges a request by where it comes from, as Check judges an unsafe one, whatever its method. It is for
// requests that change nothing but hold on to something. The error is an *[Error].
func (p *Protection) CheckOrigin(r *http.Request) error {
	asked := *r
	asked.Method = http.MethodPost
	return p.checkOrigin(&asked)
}

func (p *Protection) checkOrigin(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	err := p.fetch.Check(r)
	if err == nil && (site != "" || origin == "" || p.origins[origin]) {
		return nil // a Host that fits Origin doesn't count: it says nothing about the scheme
	}
	if origin == "" {
		return failed("Origin checking failed - the browser calls the request %.20q, and names no origin.", site)
	}
	return failed("Origin checking failed - %.300s does not match any trusted origins.", origin)
}

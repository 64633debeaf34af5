package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// The headers that name the user to an upstream. All of them are always set, and empty if the value is unknown, so none ever
// comes from the client. Texts are UTF-8. The username, ID and e-mail address are exact; if a header can't carry them, the
// request isn't passed on as this user's (see expressible).
const (
	headerUser      = "Remote-User"    // the username
	headerUserID    = "Remote-User-Id" // the user's ID, which never changes and is never given to another user
	headerGroups    = "Remote-Groups"  // names, separated by commas; a comma or percent sign in a name is percent-encoded
	headerEmail     = "Remote-Email"
	headerName      = "Remote-Name"         // first and last name for display: control characters become spaces
	headerScopes    = "Remote-Scopes"       // the permissions that a token is limited to, listed like groups; empty: no limit
	headerMethods   = "Remote-Amr"          // how the user has proven who they are in this session, listed like groups (RFC 8176)
	headerAssertion = "Cloakroom-Assertion" // the same as a JWT, for upstreams that others can reach too
)

// identityHeaders are all of the above.
var identityHeaders = []string{headerUser, headerUserID, headerGroups, headerEmail, headerName, headerScopes, headerMethods, headerAssertion}

// expressible reports whether headers can carry the username and address exactly. Usernames for which they can't come from
// a shared Django or an import. No escaping is used: applications would not decode it, and take the escaped name for the
// name.
func expressible(who *auth.Identity) bool {
	return who.User.HeaderFlaw() == ""
}

var errNotExpressible = problem.New(http.StatusForbidden, "identity_not_expressible",
	"No header can carry your username or e-mail address exactly, because it is empty, has control characters, or begins or "+
		"ends with white space. An administrator can change it.")

// checkExpressible returns an error if the request needs a user, and the headers can't name the caller.
func (c caller) checkExpressible() error {
	if c.requirement.signedIn && c.disclosed() == nil {
		return errNotExpressible
	}
	return nil
}

// disclosed returns the identity for the upstream; nil if it gets none. On a public path it gets none if the headers can't
// name the user, or if the token is limited to scopes: the application would give it all rights of its owner.
func (c caller) disclosed() *auth.Identity {
	if c.who == nil || !expressible(c.who) || !c.requirement.signedIn && c.who.Scoped() {
		return nil
	}
	return c.who
}

// describe sets the identity headers, without groups if Config.PassGroups says so.
func (g *Gateway) describe(h http.Header, c caller, assertion string) {
	describe(h, c, assertion)
	if p := g.c.PassGroups; p == "assertion" || p == "none" {
		h[headerGroups][0] = ""
	}
}

// describe sets the identity headers.
func describe(h http.Header, c caller, assertion string) {
	values := make([]string, len(identityHeaders)) // one allocation for all
	for i, name := range identityHeaders {
		h[name] = values[i : i+1 : i+1]
	}
	who := c.disclosed()
	if who == nil {
		return
	}
	u := who.User
	h[headerUser][0], h[headerUserID][0], h[headerEmail][0] = u.Username, u.ID, u.Email
	h[headerGroups][0] = joinList(u.Groups)
	h[headerName][0] = oneLine(strings.TrimSpace(u.FirstName + " " + u.LastName))
	h[headerScopes][0] = joinList(scopes(who))
	h[headerMethods][0] = joinList(who.Methods())
	h[headerAssertion][0] = assertion
}

// scopes returns the permissions that the caller's token is limited to; none: there is no limit.
func scopes(who *auth.Identity) []string {
	if !who.Scoped() {
		return nil
	}
	return who.Token.Scopes
}

// joinList returns a comma-separated list of names.
func joinList(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = escapeListItem(name)
	}
	return strings.Join(all, ",")
}

// oneLine replaces control characters, which could end the header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// escapeListItem encodes a name so that it is one entry of a comma-separated list.
func escapeListItem(name string) string {
	var b strings.Builder
	for i, r := range name {
		edge := r == ' ' && (i == 0 || i == len(name)-1)
		if r == ',' || r == '%' || edge || unicode.IsControl(r) {
			b.WriteString(strings.ReplaceAll(url.QueryEscape(string(r)), "+", "%20"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// strippedHeaders are headers of clients that no upstream sees, in lower case; those with a final hyphen are prefixes. A
// proxy in front of us would use them to say who is asking, or for what; we set our own values instead. Some would make an
// upstream use another method or path than the one that was checked.
var strippedHeaders = []string{
	"cloakroom-", "remote-", "x-remote-", "x-auth-request-", "x-webauth-", "x-authentik-", "x-authenticated-",
	"forwarded", "x-forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
	"fastly-client-ip", "fly-client-ip", "x-envoy-external-address", "x-host", "x-http-host-override", "x-url-scheme",
	"front-end-https", "x-script-name", "script-name", "path-info",
	"x-original-", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override",
	"proxy", "x-request-id", "x-session-token", "http2-settings",
}

// strippedNames and strippedPrefixes are strippedHeaders in the form for lookups.
var strippedNames, strippedPrefixes = func() (names map[string]bool, prefixes []string) {
	names = map[string]bool{}
	for _, n := range strippedHeaders {
		if strings.HasSuffix(n, "-") {
			prefixes = append(prefixes, n)
		} else {
			names[n] = true
		}
	}
	return names, prefixes
}()

// scrub removes from a request's header everything that must not reach an upstream. That includes names with other
// characters than letters, digits and hyphens: in CGI and its successors, "Remote_User" and "Remote.User" become the
// variable of "Remote-User" (RFC 3875 section 4.1.18), and no browser sends them.
func scrub(h http.Header) {
	for name := range h {
		if !plainName(name) || isStripped(strings.ToLower(name)) {
			delete(h, name)
		}
	}
}

func plainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '-' && (!unreserved(c) || c == '.' || c == '_' || c == '~') {
			return false
		}
	}
	return name != ""
}

func isStripped(lower string) bool {
	return strippedNames[lower] || slices.ContainsFunc(strippedPrefixes, func(p string) bool { return strings.HasPrefix(lower, p) })
}

// withoutCookies removes from Cookie lines everything that a server with a less exact parser might take for one of these
// cookies: in any case, between spaces, quotes or commas, percent-encoded, or behind a cookie without a name.
func withoutCookies(lines []string, names []string) []string {
	var kept []string
	for _, line := range lines {
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.TrimSpace(pair); pair != "" && !containsCookie(pair, names) {
				pairs = append(pairs, pair)
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	return kept
}

// containsCookie reports whether a pair of a Cookie line, or a part of it, has one of these names.
func containsCookie(pair string, names []string) bool {
	if strings.IndexByte(pair, '%') >= 0 {
		if plain, err := url.PathUnescape(pair); err == nil && plain != pair && containsCookie(plain, names) {
			return true
		}
	}
	pair = strings.ToLower(pair)
	for _, name := range names {
		name, family := strings.CutSuffix(strings.ToLower(name), "*")
		for rest, before := pair, byte(0); ; {
			at := strings.Index(rest, name)
			if at < 0 {
				break
			}
			if at > 0 {
				before = rest[at-1]
			}
			head := pair[:len(pair)-len(rest)+at]
			rest = rest[at+len(name):]
			value := rest
			if family {
				value = strings.TrimLeftFunc(value, func(r rune) bool { return r < 0x80 && nameByte(byte(r)) })
			}
			// After spaces and quotes, the name is followed by its value, or it is all there is.
			value = strings.TrimLeft(value, " \t\"'")
			alone := value == "" && !strings.Contains(head, "=")
			if !nameByte(before) && (strings.HasPrefix(value, "=") || alone) {
				return true
			}
			before = name[len(name)-1]
		}
	}
	return false
}

// nameByte reports whether a character in front of a name makes both part of a longer name.
func nameByte(c byte) bool {
	return c == '-' || c == '_' || c == '.' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

func containsFold(name string, names []string) bool {
	name = strings.TrimSpace(name)
	return slices.ContainsFunc(names, func(n string) bool {
		if prefix, family := strings.CutSuffix(n, "*"); family {
			return len(name) >= len(prefix) && strings.EqualFold(prefix, name[:len(prefix)])
		}
		return strings.EqualFold(n, name)
	})
}

// hideCredentials removes the credential of the request, and everything else that could be a credential of ours.
func (g *Gateway) hideCredentials(ctx context.Context, h http.Header, who *auth.Identity) {
	if lines := h["Cookie"]; lines != nil {
		if kept := withoutCookies(lines, g.c.Cookies); kept != nil {
			h["Cookie"] = kept
		} else {
			delete(h, "Cookie")
		}
	}
	lines := h["Authorization"]
	if lines == nil {
		return
	}
	delete(h, "Authorization")
	if who != nil && who.Session == nil {
		return // it was the credential of this request
	}
	ctx, cancel := resilience.LimitCheck(ctx)
	defer cancel()
	if rest := g.c.Auth.StripCredentials(ctx, lines); rest != nil {
		h["Authorization"] = rest
	}
}

// claims are the claims of an assertion except its times. They are comparable.
type claims struct {
	Issuer   string  `json:"iss"`
	Audience string  `json:"aud"`
	Subject  string  `json:"sub"`           // the user's ID
	Session  string  `json:"sid,omitempty"` // the session's public ID; "": the credential isn't a session
	Method   string  `json:"htm"`           // as RFC 9449 names it
	Path     string  `json:"path"`          // as it was sent, without the query
	Username string  `json:"username"`
	Email    string  `json:"email"`
	Groups   encoded `json:"groups,omitempty"`
	Scopes   encoded `json:"scopes,omitempty"` // the permissions that the caller's token is limited to; left out: there is no limit

	AuthenticatedAt int64   `json:"auth_time,omitempty"` // when the user last authenticated; left out with HTTP Basic: now
	Methods         encoded `json:"amr,omitempty"`       // how, in this session (RFC 8176); left out: the credential isn't a session
}

// encoded is a list in JSON; "": it is left out. As a string it is comparable.
type encoded string

func (e encoded) MarshalJSON() ([]byte, error) { return []byte(e), nil }

func encode(names []string) (encoded, error) {
	if len(names) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(names)
	return encoded(b), err
}

func (g *Gateway) assertion(r *http.Request, by caller) (string, error) {
	who := by.disclosed()
	if who == nil || g.c.Signer == nil {
		return "", nil
	}
	c := claims{
		Issuer: g.c.URL, Audience: g.c.URL, Subject: who.User.ID, Method: r.Method, Path: r.URL.EscapedPath(),
		Username: who.User.Username, Email: who.User.Email,
	}
	if who.Session != nil || who.Token != nil || who.JWT != nil {
		c.AuthenticatedAt = who.AuthenticatedAt.Unix()
	}
	var err error
	if p := g.c.PassGroups; p != "header" && p != "none" {
		if c.Groups, err = encode(who.User.Groups); err != nil {
			return "", err
		}
	}
	if who.Scoped() {
		if c.Scopes, err = encode(who.Token.Scopes); err != nil {
			return "", err
		}
	}
	if who.Session != nil {
		c.Session = who.Session.ID
		if c.Methods, err = encode(who.Methods()); err != nil {
			return "", err
		}
	}
	text, err := g.assertions.get(r.Context(), c)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return text, nil
}

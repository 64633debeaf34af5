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
	"github.com/cloakroom-auth/cloakroom/internal/fieldvalue"
	"github.com/cloakroom-auth/cloakroom/internal/limit"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

// The headers that tell an upstream who is asking. All of them are always set, empty where nothing is known, so that none
// is ever the client's own. Texts are UTF-8. Those that say who it is carry the exact value, or the request isn't passed
// on as this user's (see expressible).
const (
	headerUser      = "Remote-User"    // the username
	headerUserID    = "Remote-User-Id" // the user's ID, which never changes and is never another user's
	headerGroups    = "Remote-Groups"  // names, separated by commas; a comma or percent sign in a name is percent-encoded
	headerEmail     = "Remote-Email"
	headerName      = "Remote-Name"         // first and last name, to be shown: control characters become blanks
	headerScopes    = "Remote-Scopes"       // the permissions that a token is limited to, listed like groups; empty: no limit
	headerAssertion = "Cloakroom-Assertion" // the same as a JWT, for an upstream that others can reach too
)

// identityHeaders are all of these.
var identityHeaders = []string{headerUser, headerUserID, headerGroups, headerEmail, headerName, headerScopes, headerAssertion}

// expressible reports whether the headers can say exactly who this is. Usernames that a header can't carry come from a
// shared Django or from an import. No escape is used: applications would not decode it, and take the escaped name for
// the name.
func expressible(who *auth.Identity) bool {
	return fieldvalue.IdentityFlaw(who.User.Username, who.User.Email) == ""
}

var errNotExpressible = problem.New(http.StatusForbidden, "identity_not_expressible",
	"No header can say exactly what your username or e-mail address is, since it is empty, has control characters, or begins or "+
		"ends with white space. An administrator can change it.")

// passable says why nothing may be passed on on behalf of the caller; nil if it may.
func (c caller) checkExpressible() error {
	if c.requirement.signedIn && c.disclosed() == nil {
		return errNotExpressible
	}
	return nil
}

// told returns the identity that the upstream learns; nil if it learns of no one. On a public path, a user whom the
// headers can't name is a stranger, and so is a token that is limited to scopes: the application would take it for all
// that its owner is.
func (c caller) disclosed() *auth.Identity {
	if c.who == nil || !expressible(c.who) || !c.requirement.signedIn && c.who.Limited() {
		return nil
	}
	return c.who
}

// describe sets the headers, as far as they are wanted.
func (g *Gateway) describe(h http.Header, c caller, assertion string) {
	describe(h, c, assertion)
	if p := g.c.PassGroups; p == "assertion" || p == "none" {
		h[headerGroups][0] = ""
	}
}

// describe sets the headers.
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
	h[headerAssertion][0] = assertion
}

// scopes returns what the caller's token is limited to; none: there is no limit.
func scopes(who *auth.Identity) []string {
	if !who.Limited() {
		return nil
	}
	return who.Token.Scopes
}

// list writes names as a comma-separated list.
func joinList(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = escapeListItem(name)
	}
	return strings.Join(all, ",")
}

// oneLine keeps a text that is shown from ending its header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// listed writes a name such that it is one entry of a comma-separated list.
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

// never are headers of a client that no upstream gets to see, or prefixes of them that end with a hyphen: in lower case.
// They speak for a proxy in front of us, about whom or what the request is; what we know ourselves is set instead. Some
// upstreams would take another method or path from them than the one that was judged.
var strippedHeaders = []string{
	"cloakroom-", "remote-", "x-remote-", "x-auth-request-", "x-webauth-", "x-authentik-", "x-authenticated-",
	"forwarded", "x-forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip",
	"fastly-client-ip", "fly-client-ip", "x-envoy-external-address", "x-host", "x-http-host-override", "x-url-scheme",
	"front-end-https", "x-script-name", "script-name", "path-info",
	"x-original-", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override",
	"proxy", "x-request-id", "x-session-token", "http2-settings",
}

// neverNames and neverPrefixes are the same, to be looked up.
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

// scrub removes from a request's header what must not reach an upstream. Names with other characters than letters, digits
// and hyphens go, too: in CGI and all that came after it, "Remote_User" and "Remote.User" are the variable of
// "Remote-User" (RFC 3875 section 4.1.18), and no browser sends them.
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

// withoutCookies removes from Cookie lines what another server might take for one of these cookies, being less exact about
// names than we are: in whatever case, between blanks, quotes or commas, percent-encoded, or behind a cookie without a name.
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

// holds reports whether a pair of a Cookie line, or a part of it, has one of these names.
func containsCookie(pair string, names []string) bool {
	if strings.IndexByte(pair, '%') >= 0 {
		if plain, err := url.PathUnescape(pair); err == nil && plain != pair && containsCookie(plain, names) {
			return true
		}
	}
	pair = strings.ToLower(pair)
	for _, name := range names {
		name = strings.ToLower(name)
		for rest, before := pair, byte(0); ; {
			at := strings.Index(rest, name)
			if at < 0 {
				break
			}
			if at > 0 {
				before = rest[at-1]
			}
			rest = rest[at+len(name):]
			// What follows the name, but for blanks and quotes, is its value; or there is none, and the name is all there is.
			value := strings.TrimLeft(rest, " \t\"'")
			alone := value == "" && !strings.Contains(pair[:len(pair)-len(rest)-len(name)], "=")
			if !nameByte(before) && (strings.HasPrefix(value, "=") || alone) {
				return true
			}
			before = name[len(name)-1]
		}
	}
	return false
}

// nameByte reports whether a character before a name makes it the end of another name.
func nameByte(c byte) bool {
	return c == '-' || c == '_' || c == '.' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

func containsFold(name string, names []string) bool {
	name = strings.TrimSpace(name)
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// hideCredentials removes what the caller proved their identity with, and whatever else could be a credential of ours.
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
		return // it was ours
	}
	limited := limit.For(ctx, checkTimeout)
	defer limited.End()
	if rest := g.c.Auth.Withhold(limited, lines); rest != nil {
		h["Authorization"] = rest
	}
}

// claims are what an assertion says besides its times. Two that say the same are equal.
type claims struct {
	Issuer   string  `json:"iss"`
	Audience string  `json:"aud"`
	Subject  string  `json:"sub"`           // the user's ID
	Session  string  `json:"sid,omitempty"` // the session's public ID; "": another credential than a session
	Method   string  `json:"htm"`           // as RFC 9449 names it
	Path     string  `json:"path"`          // as it was sent, without the query
	Username string  `json:"username"`
	Email    string  `json:"email"`
	Groups   encoded `json:"groups,omitempty"`
	Scopes   encoded `json:"scopes,omitempty"` // what the caller's token is limited to; left out: there is no limit
}

// encoded is a list that is JSON already; "": it is left out.
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
	var err error
	if p := g.c.PassGroups; p != "header" && p != "none" {
		if c.Groups, err = encode(who.User.Groups); err != nil {
			return "", err
		}
	}
	if who.Limited() {
		if c.Scopes, err = encode(who.Token.Scopes); err != nil {
			return "", err
		}
	}
	if who.Session != nil {
		c.Session = who.Session.ID
	}
	text, err := g.assertions.get(r.Context(), c)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return text, nil
}

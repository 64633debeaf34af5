package gateway

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
)

// PlainPath is plainPath.
var PlainPath = plainPath

// Demanded returns what rules require of a request to an upstream, in the words of rules.
func Demanded(texts []string, method, path string) (string, error) {
	all, err := parseRules(texts)
	if err != nil {
		return "", err
	}
	return all.require(method, path, signedIn).String(), nil
}

// DemandedBelow is Demanded for an ambiguous path below a prefix.
func DemandedBelow(texts []string, method, prefix string) (string, error) {
	all, err := parseRules(texts)
	if err != nil {
		return "", err
	}
	return all.requireBelow(method, prefix, signedIn).String(), nil
}

// UnsafePrefix returns the prefix that accepts an ambiguous path; "" if it is refused. An upstream with the prefix spared
// accepts none.
func UnsafePrefix(path, unsafe, spared string) string {
	g := &Gateway{unsafe: []string{unsafe}, upstreams: []*upstream{{prefix: spared}, {prefix: unsafe}}}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")))
	if err != nil {
		return ""
	}
	prefix, _ := g.unsafePrefix(r)
	return prefix
}

func (d requirement) String() string {
	words := ""
	if d.signedIn {
		words = "signed-in"
	}
	if d.signedIn && !d.whole {
		words = "scoped"
	}
	if d.fresh {
		words = "fresh"
	}
	if d.second {
		words = "second"
	}
	for _, p := range d.permissions {
		words += " " + p
	}
	if words == "" {
		words = "public"
	}
	return words
}

// Hashed is hashed.
var Hashed = hashed

// Scrubbed returns what scrub leaves of a client's headers.
func Scrubbed(h http.Header) http.Header {
	h = h.Clone()
	scrub(h)
	return h
}

// Described returns the identity headers for a user.
func Described(u *account.User) http.Header {
	h := http.Header{}
	describe(h, caller{who: &auth.Identity{User: u}}, "an assertion")
	return h
}

// Listed is escapeListItem.
var Listed = escapeListItem

// WithoutCookies is withoutCookies.
var WithoutCookies = withoutCookies

// EncodeGroups is encode. It panics on an error, which no list of names causes.
func EncodeGroups(names []string) encoded {
	e, err := encode(names)
	if err != nil {
		panic(err)
	}
	return e
}

// Claims is claims.
type Claims = claims

// Assertions is assertions.
type Assertions struct{ assertions }

// NewAssertions returns one with this signer.
func NewAssertions(s Signer) *Assertions { return &Assertions{assertions{signer: s}} }

// Of is get.
func (a *Assertions) Of(ctx context.Context, c Claims) (string, error) { return a.get(ctx, c) }

// Len returns the number of cached assertions.
func (a *Assertions) Len() int { return len(a.young) + len(a.old) }

// WrapUpstreams puts wrap round each connection to an upstream. Call it before the first request.
func (g *Gateway) WrapUpstreams(wrap func(net.Conn) net.Conn) {
	for _, u := range g.upstreams {
		dial := u.transport.DialContext
		u.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return wrap(c), nil
		}
	}
}

// Unproven reports whether an answer to a caller who is checked as who is cut, at first and after a time; proven and endless are those
// of its stream.
func Unproven(who *auth.Identity, proven time.Time, endless bool, after time.Duration) (first, then bool) {
	s, one := &streams{}, &stream{endless: endless, proven: proven}
	first = s.unproven(one, who)
	time.Sleep(after)
	return first, s.unproven(one, who)
}

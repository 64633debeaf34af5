package gateway_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"golang.org/x/net/http/httpguts"
)

// cgi returns the variable that a header becomes in CGI and its successors: all but letters and digits become "_".
func cgi(name string) string {
	return "HTTP_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, name)
}

// ourVariables are the variables in which an upstream looks for the identity, or for a proxy's description of the request.
var ourVariables = []string{
	"HTTP_REMOTE_USER", "HTTP_REMOTE_USER_ID", "HTTP_REMOTE_GROUPS", "HTTP_REMOTE_EMAIL", "HTTP_REMOTE_NAME", "HTTP_REMOTE_SCOPES", "HTTP_CLOAKROOM_ASSERTION",
	"HTTP_X_FORWARDED_USER", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PREFIX",
	"HTTP_X_AUTH_REQUEST_USER", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL", "HTTP_FORWARDED", "HTTP_X_REAL_IP",
	"HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_PROXY", "HTTP_SCRIPT_NAME", "HTTP_PATH_INFO", "HTTP_X_SESSION_TOKEN",
}

func TestNoSpellingOfOurHeadersComesThrough(t *testing.T) {
	t.Attr("threat", "E01")
	for _, variable := range ourVariables {
		words := strings.Split(strings.TrimPrefix(variable, "HTTP_"), "_")
		for _, between := range []string{"-", "_", ".", "~", " ", "+", "!", "é", "\x00"} {
			//lint:ignore SA1019 the words are ASCII
			for _, change := range []func(string) string{strings.ToLower, strings.ToUpper, strings.Title} {
				name := change(strings.Join(words, between))
				if left := gateway.Scrubbed(http.Header{name: {"root"}, "Accept": {"*/*"}}); len(left) != 1 {
					t.Errorf("%q comes through as %s", name, cgi(name))
				}
			}
		}
	}
}

func TestOtherHeadersComeThrough(t *testing.T) {
	h := http.Header{
		"Accept": {"*/*"}, "Accept-Language": {"de"}, "Authorization": {"Basic eA=="}, "Content-Type": {"text/plain"}, "X-Csrftoken": {"x"},
		"X-Requested-With": {"XMLHttpRequest"}, "Origin": {"https://a"}, "Sec-Fetch-Site": {"same-origin"}, "If-None-Match": {`"x"`},
		"Range": {"bytes=0-1"}, "X-Custom-1": {"a", "b"}, "Last-Event-Id": {"7"}, "Proxy-Free": {"x"}, "X-Originally": {"x"}, "Prefer": {"x"},
	}
	if left := gateway.Scrubbed(h); len(left) != len(h) {
		t.Errorf("%d of %d headers come through: %v", len(left), len(h), left)
	}
}

func FuzzScrub(f *testing.F) {
	for _, v := range ourVariables {
		f.Add(strings.TrimPrefix(v, "HTTP_"))
	}
	f.Add("Remote.User")
	f.Add("rEMOTE-uSER")
	f.Fuzz(func(t *testing.T, name string) {
		for left := range gateway.Scrubbed(http.Header{name: {"root"}}) {
			if slices.Contains(ourVariables, cgi(left)) {
				t.Errorf("%q comes through as %s", left, cgi(left))
			}
		}
	})
}

func TestOurCookiesDontReachTheUpstream(t *testing.T) {
	t.Attr("threat", "C15")
	ours := []string{"__Host-Http-sessionid", "cloakroom_device", "__Host-Http-cloakroom_oidc_*", "cloakroom_oidc_*"}
	for in, want := range map[string]string{
		"__Host-Http-sessionid=s":                               "",
		"a=1; __Host-Http-sessionid=s; b=2":                     "a=1; b=2",
		"__Host-Http-sessionid=s; __Host-Http-sessionid=t":      "",
		"a=1;__Host-Http-sessionid=s;b=2":                       "a=1; b=2",
		"a=1;  __HOST-http-sessionid =s":                        "a=1",
		"\t__Host-Http-sessionid\t=s;a=1":                       "a=1",
		"cloakroom_device=d; csrftoken=x; sessionid=django":     "csrftoken=x; sessionid=django",
		"a=__Host-Http-sessionid; b=\"x; __Host-Http-sessionid": "a=__Host-Http-sessionid; b=\"x",
		// Other spellings, which aren't our cookie to us but might be to another server.
		`"__Host-Http-sessionid"=s; a=1`:                `a=1`,
		`'__Host-Http-sessionid'=s`:                     "",
		`__Host-Http-sessionid"="s"`:                    "",
		"$Version=1, __Host-Http-sessionid=s; a=1":      "a=1",
		"=__Host-Http-sessionid=s":                      "",
		"__Host-Http-sessionid":                         "",
		"%5F%5FHost-Http-sessionid=s; a=1":              "a=1",
		"__Host-Http-sessioni%64=s":                     "",
		"a=1 __Host-Http-sessionid=s":                   "",
		"my__Host-Http-sessionid=s; x-cloakroom_device": "my__Host-Http-sessionid=s; x-cloakroom_device",
		"__Host-Http-sessionid2=s":                      "__Host-Http-sessionid2=s",
		"__Host-Http-cloakroom_oidc_0a1b2c3d=s; a=1":    "a=1",
		"CLOAKROOM_oidc_0a1b2c3d =s; a=1":               "a=1",
		`"cloakroom_oidc_%30a"=s`:                       "",
		"cloakroom_oidc_":                               "",
		"mycloakroom_oidc_0=s; cloakroom_oid=1":         "mycloakroom_oidc_0=s; cloakroom_oid=1",
		"a=cloakroom_oidc_0":                            "a=cloakroom_oidc_0",
		"; ;":                                           "",
		"a;b=;=c":                                       "a; b=; =c",
	} {
		if got := strings.Join(gateway.WithoutCookies([]string{in}, ours), "|"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := gateway.WithoutCookies([]string{"__Host-Http-sessionid=s", "a=1", "b=2"}, ours); !slices.Equal(got, []string{"a=1", "b=2"}) {
		t.Errorf("of three lines are left %q", got)
	}
}

func TestANameIsOneEntryOfTheList(t *testing.T) {
	for in, want := range map[string]string{
		"staff": "staff", "a,admin": "a%2Cadmin", "100%": "100%25", "a\nb": "a%0Ab", " a": "%20a", "a ": "a%20", "A & B": "A & B", "Büro": "Büro",
	} {
		if got := gateway.Listed(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// hostile are names that could end a header, or become two entries of a list.
var hostile = []string{
	"x\r\nRemote-User: root", "x\nRemote-Groups: admin", "x\rSet-Cookie: a=b", "x\x00root", "x\x7f", "x\u0085y", "\tx\t", "x\u2028y", "a,admin", "%2Cadmin",
	" x ", "\xff\xfe", "x\xc0\x8dy", "Büro", "",
}

func TestNoNameEndsItsHeader(t *testing.T) {
	t.Attr("threat", "J5")
	for _, one := range hostile {
		for _, other := range hostile {
			oneLineEach(t, one, other)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	for i, name := range hostile {
		f.Add(name, hostile[len(hostile)-1-i])
	}
	f.Fuzz(func(t *testing.T, one, other string) { oneLineEach(t, one, other) })
}

// oneLineEach checks what an upstream reads about such a user: seven headers of one line each, and two groups. The username
// and the e-mail address arrive exactly, or there is no identity.
func oneLineEach(t *testing.T, one, other string) {
	t.Helper()
	groups := []string{one, other}
	describesInOneLineEach(t, &account.User{ID: "7", Username: one, Email: other, FirstName: one, LastName: other, Groups: groups})
	// A name for display may have any characters, while the username has to be plain.
	describesInOneLineEach(t, &account.User{ID: "7", Username: "ada", Email: "ada@example.com", FirstName: one, LastName: other, Groups: groups})
}

func describesInOneLineEach(t *testing.T, u *account.User) {
	t.Helper()
	one, other := u.Username, u.Email
	h := gateway.Described(u)
	if len(h) != 8 {
		t.Errorf("%q, %q: %d headers", one, other, len(h))
	}
	for name, values := range h {
		if len(values) != 1 || !httpguts.ValidHeaderFieldValue(values[0]) || strings.ContainsFunc(values[0], unicode.IsControl) {
			t.Errorf("%q, %q: %s is %q", one, other, name, values)
		}
	}
	if h.Get("Remote-User") == "" {
		for name, values := range h {
			if values[0] != "" {
				t.Errorf("%q, %q: there is no Remote-User, and %s is %q", one, other, name, values)
			}
		}
		return
	}
	if strings.TrimSpace(h.Get("Remote-User")) != one || strings.TrimSpace(h.Get("Remote-Email")) != other || h.Get("Remote-User-Id") != "7" {
		t.Errorf("%q, %q: told as %v", one, other, h)
	}
	groups := strings.Split(h.Get("Remote-Groups"), ",")
	if len(groups) != 2 {
		t.Fatalf("%q, %q: groups %q", one, other, groups)
	}
	for i, name := range u.Groups {
		if got, err := url.PathUnescape(groups[i]); err != nil || utf8.ValidString(name) && got != name {
			t.Errorf("%q arrives as %q, %v", name, got, err)
		}
	}
}

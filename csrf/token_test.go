package csrf_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func issue(p *csrf.Protection, binding string, headers ...string) string {
	return p.Issue(httptest.NewRecorder(), request(headers...), binding)
}

// sent is a request from our own page that sends a token, and perhaps the cookie.
func sent(token string, cookies ...string) *http.Request {
	r := request("Sec-Fetch-Site", "same-origin", "Origin", here, "X-CSRFToken", token)
	for _, c := range cookies {
		r.Header.Add("Cookie", c)
	}
	return r
}

func TestIssueSetsDjangosCookie(t *testing.T) {
	for _, c := range []struct {
		url    string
		secure bool
	}{{here, true}, {"http://localhost:8000", false}, {"https://localhost:8443", true}} {
		p := protection(t, csrf.Config{URL: c.url})
		for _, binding := range []string{"", "s1"} {
			w := httptest.NewRecorder()
			w.Header().Set("Vary", "Origin")
			var token string
			synctest.Test(t, func(*testing.T) { token = p.Issue(w, request(), binding) }) // at midnight at the beginning of 2000
			want := "csrftoken=" + token + "; Path=/; Expires=Sat, 30 Dec 2000 00:00:00 GMT; Max-Age=31449600"
			if c.secure {
				want += "; Secure"
			}
			want += "; SameSite=Lax"
			if got := w.Header().Values("Set-Cookie"); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q, want %q", c.url, got, want)
			}
			if len(token) != 32 || strings.Trim(token, alphabet) != "" {
				t.Errorf("token %q", token)
			}
		}
	}
}

func TestAnswersWithATokenAreNotForCaches(t *testing.T) {
	t.Attr("threat", "E4")
	p := protection(t, csrf.Config{})
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", "public, max-age=60")
	w.Header().Set("Vary", "Origin")
	p.Issue(w, request(), "s1")
	p.Issue(w, request(), "s1")
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %s", got)
	}
	if got := strings.Join(w.Header().Values("Vary"), ", "); got != "Origin, Cookie" {
		t.Errorf("Vary: %s", got)
	}
}

// TestBesideDjangoTheCookieMayBeItsOwn: Django sets a new cookie when a user signs in there.
func TestBesideDjangoTheCookieMayBeItsOwn(t *testing.T) {
	t.Attr("threat", "F03")
	p := protection(t, csrf.Config{SharedCookie: true})
	strict := protection(t, csrf.Config{SharedCookie: true, Strict: true})
	djangos, others := strings.Repeat("aB3", 11)[:32], strings.Repeat("z", 32)
	noOrigin := request("X-CSRFToken", djangos, "Cookie", "csrftoken="+djangos)
	for _, c := range []struct {
		what string
		p    *csrf.Protection
		r    *http.Request
		want string
	}{
		{"Django's", p, sent(djangos, "csrftoken="+djangos), ""},
		{"Django's, masked", p, sent(strings.Repeat("a", 32)+djangos, "csrftoken="+djangos), ""},
		{"ours", p, sent(issue(p, "s1"), "csrftoken="+djangos), ""},
		{"another", p, sent(others, "csrftoken="+djangos), "csrf_failed"},
		{"no cookie", p, sent(djangos), "csrf_failed"},
		{"two cookies", p, sent(djangos, "csrftoken="+djangos+"; csrftoken="+djangos), "csrf_failed"},
		{"a garbled cookie", p, sent(djangos, "csrftoken=x"), "csrf_failed"},
		{"without an origin", p, noOrigin, "csrf_failed"},
		{"strict", strict, sent(djangos, "csrftoken="+djangos), "csrf_failed"},
		{"strict, ours", strict, sent(issue(strict, "s1"), "csrftoken="+djangos), ""},
	} {
		if got := code(c.p.Check(c.r, csrf.Caller{Ticket: true, Binding: session("s1")})); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestATokenIsGoodForItsSessionAlone(t *testing.T) {
	t.Attr("threat", "F03")
	t.Attr("threat", "E4")
	p := protection(t, csrf.Config{})
	mine, theirs := issue(p, "s1"), issue(p, "s2")
	if mine == theirs || mine != issue(p, "s1") {
		t.Fatal("not derived from the session")
	}
	check := func(token, binding string, cookies ...string) string {
		return code(p.Check(sent(token, cookies...), csrf.Caller{Ticket: true, Binding: session(binding)}))
	}
	if got := check(mine, "s1"); got != "" {
		t.Errorf("its own token: %q", got)
	}
	if got := check(theirs, "s1", "csrftoken="+theirs); got != "csrf_failed" {
		t.Errorf("another session's token, and its cookie: %q", got)
	}
	if got := check(mine, "s1", "csrftoken="+theirs); got != "" {
		t.Errorf("its own token, under a planted cookie: %q", got)
	}
	other := protection(t, csrf.Config{Keys: func() [][]byte { return [][]byte{[]byte("another key")} }})
	if got := check(issue(other, "s1"), "s1"); got != "csrf_failed" {
		t.Errorf("a token of another server: %q", got)
	}
	for _, binding := range []string{"s", "s11", "S1", "s1\x00"} {
		if issue(p, binding) == mine {
			t.Errorf("%q has the token of s1", binding)
		}
	}
}

func TestTokensDoNotOutliveASignInOrASignOut(t *testing.T) {
	t.Attr("threat", "A3")
	p := protection(t, csrf.Config{})
	before, after := issue(p, ""), issue(p, "s1")
	if got := code(p.Check(sent(before, "csrftoken="+before), csrf.Caller{})); got != "" {
		t.Fatalf("a visitor's token: %q", got)
	}
	signedIn := csrf.Caller{Ticket: true, Binding: session("s1")}
	if got := code(p.Check(sent(before, "csrftoken="+before), signedIn)); got != "csrf_failed" {
		t.Errorf("a token from before the sign-in: %q", got)
	}
	strict := protection(t, csrf.Config{Strict: true})
	if got := code(strict.Check(sent(after, "csrftoken="+after), csrf.Caller{Binding: session("")})); got != "csrf_failed" {
		t.Errorf("a session's token after the sign-out: %q", got)
	}
	visitor := issue(p, "", "Cookie", "csrftoken="+after)
	if got := code(p.Check(sent(after, "csrftoken="+visitor), csrf.Caller{Binding: session("")})); got != "csrf_failed" {
		t.Errorf("a session's token after the sign-out has set another: %q", got)
	}
	if got := issue(p, "", "Cookie", "csrftoken="+after); got == after {
		t.Error("the session's token is issued again after the sign-out")
	}
}

// A session that ended elsewhere leaves its token in the browser, whose page sends it with the next sign-in.
func TestAStaleTokenDoesNotPreventASignIn(t *testing.T) {
	p := protection(t, csrf.Config{})
	stale := issue(p, "s1")
	for _, caller := range []csrf.Caller{{}, {Ticket: true, Binding: session("")}} {
		if err := p.Check(sent(stale, "csrftoken="+stale), caller); err != nil {
			t.Errorf("%+v: %v", caller, err)
		}
	}
}

func TestAVisitorKeepsAToken(t *testing.T) {
	p := protection(t, csrf.Config{})
	first := issue(p, "")
	if issue(p, "") == first {
		t.Fatal("two visitors with one token")
	}
	if got := issue(p, "", "Cookie", "csrftoken="+first); got != first {
		t.Error("a second page of the same visitor takes the token from the first")
	}
	for _, planted := range []string{strings.Repeat("a", 32), "", first[:31], first + "a", first[1:] + first[:1]} {
		if got := issue(p, "", "Cookie", "csrftoken="+planted); got == planted || len(got) != 32 {
			t.Errorf("a planted cookie is taken up: %q", got)
		}
	}
}

func TestWithoutASessionTheHeaderRepeatsTheCookie(t *testing.T) {
	t.Attr("threat", "F03")
	p := protection(t, csrf.Config{Strict: true})
	a, b := issue(p, ""), issue(p, "")
	for _, c := range []struct {
		name, header string
		cookies      []string
		want         string
	}{
		{"both", a, []string{"csrftoken=" + a}, ""},
		{"among others", a, []string{"x=1; csrftoken=" + a + "; y=2"}, ""},
		{"the header alone", a, nil, "csrf_failed"},
		{"two visitors' tokens", a, []string{"csrftoken=" + b}, "csrf_failed"},
		{"two cookies", a, []string{"csrftoken=" + a + "; csrftoken=" + b}, "csrf_failed"},
		{"two cookies, the other way round", a, []string{"csrftoken=" + b + "; csrftoken=" + a}, "csrf_failed"},
		{"the same cookie twice", a, []string{"csrftoken=" + a + "; csrftoken=" + a}, "csrf_failed"},
		{"two Cookie lines", a, []string{"csrftoken=" + a, "csrftoken=" + b}, "csrf_failed"},
		{"a made-up pair", strings.Repeat("a", 32), []string{"csrftoken=" + strings.Repeat("a", 32)}, "csrf_failed"},
		{"an empty cookie", a, []string{"csrftoken="}, "csrf_failed"},
		{"another name", a, []string{"CSRFToken=" + a}, "csrf_failed"},
		{"a name that grew", a, []string{"xcsrftoken=" + a}, "csrf_failed"},
	} {
		if got := code(p.Check(sent(c.header, c.cookies...), csrf.Caller{})); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	r := request("Sec-Fetch-Site", "same-origin", "Cookie", "csrftoken="+a)
	r.URL.RawQuery = "csrfmiddlewaretoken=" + a + "&csrftoken=" + a
	strict := protection(t, csrf.Config{Strict: true})
	if got := code(strict.Check(r, csrf.Caller{})); got != "csrf_failed" {
		t.Errorf("from the cookie and the query string: %q", got)
	}
}

func TestCookiesAreSplitAtSemicolonsOnly(t *testing.T) {
	t.Attr("threat", "A6")
	p := protection(t, csrf.Config{})
	good, evil := issue(p, ""), issue(p, "")
	for _, line := range []string{
		"x=1,csrftoken=" + evil + "; csrftoken=" + good,
		"x=1]csrftoken=" + evil + "; csrftoken=" + good,
		"x=1[csrftoken=" + evil + "; csrftoken=" + good,
		"x=1&csrftoken=" + evil + "; csrftoken=" + good,
		"x=1\tcsrftoken=" + evil + "; csrftoken=" + good,
		"x=1 csrftoken=" + evil + "; csrftoken=" + good,
		"$Version=1,csrftoken=" + evil + "; csrftoken=" + good,
		"csrf%74oken=" + evil + "; csrftoken=" + good,
		"=csrftoken=" + evil + "; csrftoken=" + good,
		"csrftoken; csrftoken=" + good,
		"\u00a0csrftoken=" + evil + "; csrftoken=" + good,
		"..csrftoken=" + evil + "; csrftoken=" + good,
	} {
		if got := code(p.Check(sent(evil, line), csrf.Caller{})); got != "csrf_failed" {
			t.Errorf("%.30q: the planted one counts", line)
		}
		if issue(p, "", "Cookie", line) == evil {
			t.Errorf("%.30q: the planted one is taken up", line)
		}
	}
}

func TestATokenThatWasSentMustBeRight(t *testing.T) {
	p := protection(t, csrf.Config{})
	mine, theirs := issue(p, "s1"), issue(p, "s2")
	signedIn := csrf.Caller{Ticket: true, Binding: session("s1")}
	if got := code(p.Check(sent(theirs), signedIn)); got != "csrf_failed" {
		t.Errorf("a wrong token from our own page: %q", got)
	}
	twice := sent(mine)
	twice.Header.Add("X-CSRFToken", mine)
	if got := code(p.Check(twice, signedIn)); got != "csrf_failed" {
		t.Errorf("two headers: %q", got)
	}
	form := signedIn
	form.FormToken = mine
	if got := code(p.Check(request("Sec-Fetch-Site", "same-origin"), form)); got != "" {
		t.Errorf("in the form: %q", got)
	}
	form.FormToken = theirs
	if got := code(p.Check(sent(mine), form)); got != "csrf_failed" {
		t.Errorf("a wrong one in the form, a right one in the header: %q", got)
	}
	if got := code(p.Check(sent(theirs), csrf.Caller{Header: true})); got != "" {
		t.Errorf("beside an API token: %q", got)
	}
	if got := code(p.Check(request("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test", "X-CSRFToken", mine), signedIn)); got != "csrf_failed" {
		t.Errorf("a right token from another site: %q", got)
	}
}

func TestOlderKeysStillCheckButMakeNothing(t *testing.T) {
	keys := [][]byte{[]byte("old")}
	p := protection(t, csrf.Config{Keys: func() [][]byte { return keys }})
	session1, visitor := issue(p, "s1"), issue(p, "")
	keys = [][]byte{[]byte("new"), []byte("old")}
	signedIn := csrf.Caller{Ticket: true, Binding: session("s1")}
	if got := code(p.Check(sent(session1), signedIn)); got != "" {
		t.Errorf("a session's token after the rotation: %q", got)
	}
	if got := code(p.Check(sent(visitor, "csrftoken="+visitor), csrf.Caller{})); got != "" {
		t.Errorf("a visitor's token after the rotation: %q", got)
	}
	if issue(p, "s1") == session1 {
		t.Error("the old key still makes tokens")
	}
	keys = keys[:1]
	if got := code(p.Check(sent(session1), signedIn)); got != "csrf_failed" {
		t.Errorf("after the old key is gone: %q", got)
	}
}

func TestTokensUseTheAlphabetEvenly(t *testing.T) {
	p := protection(t, csrf.Config{})
	const n = 20_000
	counts := map[rune]int{}
	for i := range n {
		for _, c := range issue(p, strings.Repeat("x", i%7)+string(rune('A'+i))) {
			counts[c]++
		}
	}
	// Pearson's chi-squared with 61 degrees of freedom: above 130 once in a million. The texts are fixed, so this can't
	// fail by chance; taking all 256 values of a byte modulo 62 gives thousands.
	expected, sum := float64(n*32)/62, 0.0
	for _, c := range alphabet {
		sum += math.Pow(float64(counts[c])-expected, 2) / expected
	}
	if len(counts) != 62 || sum > 130 {
		t.Errorf("%d characters, chi-squared %.0f", len(counts), sum)
	}
}

func FuzzCSRFToken(f *testing.F) {
	p := protection(f, csrf.Config{Strict: true})
	mine, visitor := issue(p, "s1"), issue(p, "")
	for _, s := range []string{mine, visitor, mine + mine, mine[:31], mine + "a", strings.Repeat("a", 64), "", "\x00"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, header, cookie string) {
		r := request("Sec-Fetch-Site", "same-origin", "X-CSRFToken", header, "Cookie", "csrftoken="+cookie)
		passed := p.Check(r, csrf.Caller{Ticket: true, Binding: session("s1")}) == nil
		if passed != (header == mine) {
			t.Fatalf("%q for the session: passed %v", header, passed)
		}
		passed = p.Check(r, csrf.Caller{}) == nil
		ours := issue(p, "", "Cookie", "csrftoken="+header) == header
		if want := ours && strings.Trim(cookie, ` "`) == header; passed && !want {
			t.Fatalf("%q with cookie %q passed", header, cookie)
		}
		if ours && cookie == header && !passed {
			t.Fatal("a visitor's own token is refused")
		}
		if got := issue(p, "", "Cookie", "csrftoken="+cookie); len(got) != 32 || strings.Trim(got, alphabet) != "" {
			t.Fatalf("issued %q", got)
		}
	})
}

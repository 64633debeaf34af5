package gateway_test

import (
	"strings"
	"testing"
)

// tokensOfOthers are what frameworks send in X-CSRFToken: Django's masked token, Flask-WTF's signed one, Laravel's, and
// something that isn't a token.
var tokensOfOthers = []string{
	strings.Repeat("aB3d", 16), strings.Repeat("z", 32), "IjQ3Y2Y3ZDk4Ig.ZyQ1xw.f3Yx0lqg", strings.Repeat("x", 40), "fetch", "null", "-",
}

func TestAnApplicationsOwnCSRFTokenIsItsOwn(t *testing.T) {
	t.Attr("threat", "F03")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		for _, proof := range [][]string{{"Origin: https://" + f.host}, {"Sec-Fetch-Site: same-origin"}, {"Origin: https://" + f.host, "Sec-Fetch-Site: same-origin"}} {
			for _, token := range tokensOfOthers {
				lines := append([]string{"X-CSRFToken: " + token, "X-CSRFToken: second"}[:1+len(token)%2], proof...)
				for who, a := range map[string]ask{
					"a signed-in user": {method: "POST", path: "/private", header: append(lines, cookie), body: "x"},
					"a visitor":        {method: "POST", path: "/open/form", header: lines, body: "x"},
				} {
					r := f.send(t, protocol, a)
					s, ok := r.seen()
					if !ok || !strings.HasPrefix(s.Header.Get("X-Csrftoken"), token) {
						t.Errorf("%s with %q: %s", who, a.header, r)
					}
				}
			}
		}
		for _, token := range tokensOfOthers {
			line := "X-CSRFToken: " + token
			for _, c := range []struct {
				what string
				path string
				more []string
			}{
				{"neither header says where it comes from", "/private", []string{cookie}}, {"the request is anonymous, and neither header is there", "/open/form", nil},
				{"it comes from another site", "/private", []string{cookie, "Origin: https://evil.test", "Sec-Fetch-Site: cross-site"}},
				{"it is our own route", "/api/auth/logout", []string{cookie, "Origin: https://" + f.host, "Sec-Fetch-Site: same-origin"}},
			} {
				if r := f.kept(t, protocol, ask{method: "POST", path: c.path, header: append(c.more, line), body: "{}"}, 403); r.code() != "csrf_failed" {
					t.Errorf("%s: %s", c.what, r)
				}
			}
		}
	})
}

func TestStrictModeReadsAnApplicationsTokenToo(t *testing.T) {
	t.Attr("threat", "F03")
	for name, start := range fronts {
		t.Run(name, func(t *testing.T) {
			f := start(t, "--csrf", "strict")
			f.person(t, "ada")
			body := `{"username":"ada","password":"` + goodPassword + `"}`
			proof := []string{"Origin: https://" + f.host, "Sec-Fetch-Site: same-origin"}
			visitors := f.csrftoken(t)
			r := f.send(t, "h1", ask{method: "POST", path: "/api/auth/login", body: body,
				header: append(proof, "Content-Type: application/json", "X-CSRFToken: "+visitors, "Cookie: csrftoken="+visitors)})
			if r.status != 200 {
				t.Fatalf("sign-in: %s", r)
			}
			cookie := ticketOf(t, r)
			mine := f.csrftoken(t, cookie)
			for _, lines := range [][]string{{}, {"X-CSRFToken: " + tokensOfOthers[0]}, {"X-CSRFToken: " + visitors}} {
				if r := f.kept(t, "h1", ask{method: "POST", path: "/private", body: "x", header: append(append(lines, proof...), cookie)}, 403); r.code() != "csrf_failed" {
					t.Errorf("%v: %s", lines, r)
				}
			}
			r = f.send(t, "h1", ask{method: "POST", path: "/private", body: "x", header: append(proof, cookie, "X-CSRFToken: "+mine)})
			if _, ok := r.seen(); !ok {
				t.Errorf("with the right token: %s", r)
			}
		})
	}
}

// csrftoken requests a token.
func (f *front) csrftoken(t *testing.T, lines ...string) string {
	t.Helper()
	r := f.send(t, "h1", ask{path: "/api/auth/csrf", header: lines})
	_, after, _ := strings.Cut(string(r.body), `"csrftoken":"`)
	token, _, ok := strings.Cut(after, `"`)
	if !ok || r.status != 200 {
		t.Fatalf("csrftoken: %s", r)
	}
	return token
}

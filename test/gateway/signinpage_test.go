package gateway_test

import (
	"encoding/json"
	"net/url"
	"testing"
)

func TestTheAppHasItsOwnSignInPage(t *testing.T) {
	t.Attr("threat", "J07")
	f := startGateway(t, "--sign-in-path", "/login")
	for _, protocol := range []string{"h1", "h2"} {
		r := f.kept(t, protocol, ask{path: "/orders?page=2", header: pageHeaders}, 303)
		if got := r.header.Get("Location"); got != "/login?next="+url.QueryEscape("/orders?page=2") {
			t.Errorf("led to %q", got)
		}
		r = f.kept(t, protocol, ask{method: "POST", path: "/orders", header: append(pageHeaders, "Origin: https://"+f.host, "Sec-Fetch-Site: same-origin"), body: "x=1"}, 303)
		if got := r.header.Get("Location"); got != "/login" {
			t.Errorf("a form is led to %q", got)
		}
		r = f.kept(t, protocol, ask{path: "/orders", header: fetchHeaders}, 401)
		var problem struct {
			LoginURL string `json:"login_url"`
		}
		if err := json.Unmarshal(r.body, &problem); err != nil || problem.LoginURL != "https://"+f.host+"/login" {
			t.Errorf("a script is told of %q: %v", problem.LoginURL, err)
		}
		for _, path := range []string{"/login", "/login?next=%2Forders"} {
			if s, ok := f.send(t, protocol, ask{path: path, header: pageHeaders}).seen(); !ok || s.CGI["HTTP_REMOTE_USER"] != "" {
				t.Errorf("%s doesn't reach the app", path)
			}
		}
		// The page alone is public, and only to be read.
		for _, path := range []string{"/login/x", "/Login", "/login/", "/loginx"} {
			f.kept(t, protocol, ask{path: path, header: fetchHeaders}, 401)
		}
		f.kept(t, protocol, ask{method: "POST", path: "/login", header: append(fetchHeaders, "Origin: https://"+f.host, "Sec-Fetch-Site: same-origin"), body: "x=1"}, 401)
		// Cloakroom's own page stays.
		if r := f.send(t, protocol, ask{path: "/signin", header: pageHeaders}); r.status != 200 {
			t.Errorf("/signin: %s", r)
		}
	}
}

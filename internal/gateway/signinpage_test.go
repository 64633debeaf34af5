package gateway_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
)

func TestAWrongSignInPageIsRefused(t *testing.T) {
	t.Attr("threat", "J07")
	owns := func(path string) bool { return path == "/signin" || strings.HasPrefix(path, "/auth/") }
	check := func(path string, rules ...string) error {
		return gateway.Check(gateway.Config{SignIn: path, Rules: rules, Owns: owns, URL: "https://example.com", Upstreams: []string{"http://127.0.0.1:1"}})
	}
	for _, c := range []struct {
		path  string
		rules []string
		want  string
	}{
		{"https://evil.example/login", nil, "is not a plain path of a page, such as /login"},
		{"//evil.example", nil, "is not a plain path"},
		{`/\evil.example`, nil, "is not a plain path"},
		{"/login?x", nil, "is not a plain path"},
		{"/login#x", nil, "is not a plain path"},
		{"/l%C3%B6gin", nil, "is not a plain path"},
		{"/a/../signin", nil, "is not a plain path"},
		{"login", nil, "is not a plain path"},
		{"/", nil, "is not a plain path"},
		{"/signin", nil, "belongs to Cloakroom itself"},
		{"/Signin/", nil, "belongs to Cloakroom itself"},
		{"/auth/login", nil, "belongs to Cloakroom itself"},
		{"/AUTH/none", nil, "belongs to Cloakroom itself"},
		{"/api/login", nil, "belongs to Cloakroom itself"},
		{"/login", []string{"signed-in /*"}, `is covered by the rule "signed-in /*", which wants a user who couldn't sign in then: put the rule "public GET /login" before it`},
		{"/login", []string{"public POST /login", "fresh GET /Login"}, `is covered by the rule "fresh GET /Login"`},
	} {
		err := check(c.path, c.rules...)
		if err == nil || !strings.HasPrefix(err.Error(), "Config.SignInPath ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with the rules %q: %v, want %q in it", c.path, c.rules, err, c.want)
		}
	}
	for _, rules := range [][]string{nil, {"public GET /login", "signed-in /*"}, {"signed-in POST /login", "public /*"}, {"signed-in /orders/*"}} {
		if err := check("/login", rules...); err != nil {
			t.Errorf("/login with the rules %q: %v", rules, err)
		}
	}
}

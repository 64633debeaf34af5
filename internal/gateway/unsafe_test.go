package gateway_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
)

func TestUnsafePathsStayBelowTheirPrefix(t *testing.T) {
	for path, want := range map[string]bool{
		"/gitlab/projects/a%2Fb": true, "/gitlab/a%2fb": true, "/gitlab//a": true, "/gitlab/a//": true, "/gitlab/a;b=1/c": true, "/gitlab/a%3Bb": true,
		"/gitlab/a%20b%2Fc": true,
		// Another prefix, or one that only looks like it.
		"/other/a%2Fb": false, "/a//b": false, "//gitlab/a": false, "/gitlab%2Fa": false, "/gitlab;a/b": false, "/gitlabx//a": false, "/GitLab//a": false,
		"/%67itlab//a": false,
		// A path that leads out of the prefix.
		"/gitlab/a%2F..%2Fb": false, "/gitlab//../b": false, "/gitlab/..;/b": false, "/gitlab/..%3Bx/b": false, "/gitlab/a%2F./b": false, "/gitlab/%2e%2e//b": false,
		"/gitlab/..%2Fb": false, "/gitlab/.%2F/b": false,
		// Paths that stay refused.
		"/gitlab//a%5Cb": false, "/gitlab//a\\b": false, "/gitlab//%61": false, "/gitlab//%252F": false, "/gitlab//a%00": false, "/gitlab//%ff": false, "/gitlab//a%": false,
		"/gitlab//a b": false,
		// Below the prefix is an upstream without unsafe paths.
		"/gitlab/safe//a": false, "/gitlab/safe%2Fa": true,
	} {
		if got := gateway.UnsafePrefix(path, "/gitlab", "/gitlab/safe") == "/gitlab"; got != want {
			t.Errorf("%s: passed on: %v, want %v", path, got, want)
		}
	}
}

func TestAnUnsafePathNeedsWhatEveryPathBelowNeeds(t *testing.T) {
	for _, c := range []struct {
		rules, method, prefix, want string
	}{
		{"", "GET", "/gitlab", "signed-in"},
		{"public /*", "GET", "/gitlab", "public"},
		{"public /gitlab/*", "GET", "/gitlab", "public"},
		{"public /gitlab/open/*", "GET", "/gitlab", "signed-in"},
		{"public /gitlab", "GET", "/gitlab", "signed-in"},
		{"permission:a.b /gitlab/admin/*;public /gitlab/*", "GET", "/gitlab", "scoped a.b"},
		{"permission:a.b /GITLAB/admin/*;public /gitlab/*", "GET", "/gitlab", "scoped a.b"},
		{"permission:a.b POST /gitlab/admin/*;public /gitlab/*", "GET", "/gitlab", "public"},
		{"permission:a.b /*/admin", "GET", "/gitlab", "signed-in a.b"},
		{"permission:a.b /other/*;fresh /gitlab/x", "GET", "/gitlab", "fresh"},
		{"permission:a.b /*", "GET", "/gitlab", "scoped a.b"},
		{"fresh /x;public /*", "GET", "", "fresh"},
	} {
		var rules []string
		if c.rules != "" {
			rules = strings.Split(c.rules, ";")
		}
		if got, err := gateway.DemandedBelow(rules, c.method, c.prefix); err != nil || got != c.want {
			t.Errorf("%s: %s of %s: %s, want %s (%v)", c.rules, c.method, c.prefix, got, c.want, err)
		}
	}
}

func TestUnsafePathsNameAnUpstream(t *testing.T) {
	for _, c := range []struct{ upstream, unsafe, why string }{
		{"/gitlab=http://127.0.0.1:1", "/gitlab", ""}, {"/gitlab=http://127.0.0.1:1", "/gitlab/", ""}, {"http://127.0.0.1:1", "/", ""},
		{"/gitlab=http://127.0.0.1:1", "/", "none of Config.Upstreams"}, {"/gitlab=http://127.0.0.1:1", "/git", "none of Config.Upstreams"},
		{"http://127.0.0.1:1", "a//b", "not a plain path"}, {"", "/anything", ""},
	} {
		config := gateway.Config{UnsafePaths: []string{c.unsafe}}
		if c.upstream != "" {
			config.Upstreams = []string{c.upstream}
		}
		err := gateway.Check(config)
		if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

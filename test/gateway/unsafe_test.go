package gateway_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

// Ambiguous paths reach, unchanged, only the upstream for which they are allowed, and must meet every rule for any path
// below its prefix.
func TestUnsafePathsReachOneUpstream(t *testing.T) {
	for name, start := range fronts {
		t.Run(name, func(t *testing.T) {
			args := []string{"--unsafe-paths", "/projects", "--rule", "permission:shop.admin POST /projects/settings/*", "--rule", "public GET /projects/*"}
			if name == "gateway" {
				application := startApplication(t)
				args = append(args, "--upstream", "/projects="+application.URL)
			}
			f := start(t, args...)
			cookie := f.signedIn(t, "ada")
			for _, c := range []struct {
				method, path string
				status       int
			}{
				{"GET", "/projects/a%2Fb", 200}, {"GET", "/projects/a;v=1", 200}, {"POST", "/projects/a%2Fb", 403}, {"POST", "/projects/settings%2Fx", 403},
				{"PUT", "/projects/a%2Fb", 200}, {"GET", "/private/a%2Fb", 400}, {"GET", "/projects%2Fa", 400}, {"GET", "/projects/a%2F..%2Fb", 400},
			} {
				r := f.send(t, "h1", ask{method: c.method, path: c.path, header: []string{cookie, "Origin: https://" + f.host}})
				s, ok := r.seen()
				if r.status != c.status || ok && s.URI != c.path {
					t.Errorf("%s %s: %s", c.method, c.path, r)
				}
			}
			if r := f.send(t, "h1", ask{method: "PUT", path: "/projects/a%2Fb", header: []string{"Origin: https://" + f.host}}); r.status != 401 {
				t.Errorf("a stranger's PUT: %s", r)
			}
		})
	}
}

func TestGroupsTravelWhereTheyAreWanted(t *testing.T) {
	for mode, want := range map[string]struct{ header, assertion bool }{
		"both": {true, true}, "header": {true, false}, "assertion": {false, true}, "none": {},
	} {
		f := startGateway(t, "--pass-groups", mode)
		cookie := f.signedIn(t, "ada")
		f.command(t, "", "group", "add", "crew")
		f.command(t, "", "user", "set", "ada", "--join", "crew")
		s, ok := f.send(t, "h1", ask{path: "/private", header: []string{cookie}}).seen()
		if !ok {
			t.Fatal("not passed on")
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(s.CGI["HTTP_CLOAKROOM_ASSERTION"], ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		if (s.CGI["HTTP_REMOTE_GROUPS"] == "crew") != want.header || !want.header && s.CGI["HTTP_REMOTE_GROUPS"] != "" ||
			strings.Contains(string(payload), `"groups":["crew"]`) != want.assertion || !want.assertion && strings.Contains(string(payload), "groups") {
			t.Errorf("%s: Remote-Groups is %q, the assertion says %s", mode, s.CGI["HTTP_REMOTE_GROUPS"], payload)
		}
	}
}

package httpapi_test

import (
	"regexp"
	"strings"
	"testing"
)

var pagePaths = []string{"/signin", "/signin/", "/signin?next=/x", "/auth/account", "/auth/setup", "/auth/setup/"}

var scriptPath = regexp.MustCompile(`/auth/assets/[^"]+\.js`)

// script returns the script of a page.
func (s *server) script(page *answer) []byte {
	s.t.Helper()
	path := scriptPath.Find(page.body)
	r := s.client().send("GET", string(path), nil)
	if path == nil || r.StatusCode != 200 {
		s.t.Fatalf("script %q: got %d", path, r.StatusCode)
	}
	return r.body
}

// TestPagesAreLockedDown: no inline scripts, nothing from other sites, no frames, no opener, and no Referer. The requests go
// through the whole API, so that no other handler can weaken that.
func TestPagesAreLockedDown(t *testing.T) {
	t.Attr("threat", "H02")
	t.Attr("threat", "H04")
	t.Attr("threat", "H05")
	s := start(t, options{tls: true})
	for _, c := range []*client{s.client(), s.as(s.user("ada"))} {
		for _, path := range pagePaths {
			r := c.send("GET", path, nil)
			if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" || len(r.Cookies()) > 0 {
				t.Errorf("%s: got %d %v", path, r.StatusCode, r.Header)
			}
			policy := r.Header.Values("Content-Security-Policy")
			for _, directive := range []string{"default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "script-src 'self'", "form-action 'self'"} {
				if len(policy) != 1 || !strings.Contains(policy[0], directive) {
					t.Errorf("%s: policy %q without %s", path, policy, directive)
				}
			}
			if strings.Contains(policy[0], "unsafe") || strings.Contains(policy[0], "*") {
				t.Errorf("%s: policy %q", path, policy)
			}
			for name, want := range map[string]string{
				"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
				"Cache-Control": "no-store", "Strict-Transport-Security": "max-age=31536000",
			} {
				if got := r.Header.Values(name); len(got) != 1 || got[0] != want {
					t.Errorf("%s: %s %q", path, name, got)
				}
			}
			if strings.Contains(string(r.body), "ada") || regexp.MustCompile(`<script[^>]*>[^<]|\son\w+=|style=`).Match(r.body) {
				t.Errorf("%s: the page has data of a user, or something inline:\n%s", path, r.body)
			}
		}
	}
}

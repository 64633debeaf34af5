package gateway_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
)

// ambiguous are paths that two servers may read differently.
var ambiguous = []string{
	"", "*", "admin", "//", "//admin", "/admin//x", "/admin//", "/health/../admin", "/health/..", "/..", "/./admin", "/admin/.",
	"/health%2f..%2fadmin", "/health%2F..%2Fadmin", "/a%5cb", "/a\\b", "/health;/admin", "/health;x=1/admin", "/health%3b/admin",
	"/%61dmin", "/admi%6E", "/%2e%2e/admin", "/%2e/admin", "/%2E%2E/admin", "/.%2e/admin", "/admin%2ehtml", "/a%7eb", "/a%2db", "/a%5fb",
	"/a%00b", "/a%0ab", "/a%0db", "/a%09b", "/a%7fb", "/%2561dmin", "/%252e%252e/admin", "/a%252fb", "/a%", "/a%2", "/a%zz", "/%%41",
	"/%c0%af", "/%ff", "/a#b", "/a b", "/a\"b", "/a<b", "/a>b", "/a{b", "/a|b", "/a^b", "/a`b", "/a\x00b", "/a\tb", "/é", "/\u2028", "/a?b",
}

func TestPathsOfTwoMeaningsAreRefused(t *testing.T) {
	t.Attr("threat", "E03")
	for _, p := range ambiguous {
		if got, err := gateway.PlainPath(p); err == nil {
			t.Errorf("%q is taken for %q", p, got)
		}
	}
}

func TestPlainPathsAreDecoded(t *testing.T) {
	for in, want := range map[string]string{
		"/": "/", "/a": "/a", "/a/": "/a/", "/a/b.html": "/a/b.html", "/~ada/x-y_z": "/~ada/x-y_z", "/...": "/...", "/.a": "/.a",
		"/a%20b": "/a b", "/%C3%A9": "/é", "/%c3%a9": "/é", "/tags/c%23": "/tags/c#", "/100%25": "/100%", "/100%25x": "/100%x",
		"/a%3Fb": "/a?b", "/[id]": "/[id]", "/%5Bid%5D": "/[id]", "/a:b@c,d=e+f!$&'()*": "/a:b@c,d=e+f!$&'()*", "/a%7Cb": "/a|b",
		"/%E2%9C%93": "/✓", "/a%22b": `/a"b`,
	} {
		if got, err := gateway.PlainPath(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

// FuzzPathRule checks that models of several servers read every accepted path in the same way.
func FuzzPathRule(f *testing.F) {
	for _, p := range ambiguous {
		f.Add(p)
	}
	for _, p := range []string{"/", "/a/b", "/a%20b/", "/%E2%9C%93", "/100%25", "/.well-known/x"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := gateway.PlainPath(raw)
		if err != nil {
			return
		}
		for name, server := range servers {
			if seen := server(raw); seen != got {
				t.Errorf("%q: the rules see %q, and %s sees %q", raw, got, name, seen)
			}
		}
		u, err := url.ParseRequestURI(raw)
		if err != nil || u.EscapedPath() != raw && !strings.ContainsAny(raw, "[]") {
			t.Errorf("%q is passed on as %q, %v", raw, u.EscapedPath(), err)
		}
	})
}

// servers are models of how servers find the path of a request.
var servers = map[string]func(raw string) string{
	"Go": func(raw string) string {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			return err.Error()
		}
		return u.Path
	},
	// ServeMux and nginx resolve dots and merge slashes after decoding.
	"nginx": func(raw string) string {
		decoded, err := url.PathUnescape(raw)
		if err != nil {
			return err.Error()
		}
		clean := path.Clean(decoded)
		if strings.HasSuffix(decoded, "/") && clean != "/" {
			clean += "/"
		}
		return clean
	},
	// Express and many others decode each segment by itself.
	"Express": func(raw string) string {
		segments := strings.Split(raw, "/")
		for i, s := range segments {
			decoded, err := url.PathUnescape(s)
			if err != nil {
				return err.Error()
			}
			segments[i] = decoded
		}
		return strings.Join(segments, "/")
	},
	// Servlet containers cut off what follows a semicolon in each segment, and some backslashes are slashes.
	"Tomcat": func(raw string) string {
		decoded, err := url.PathUnescape(raw)
		if err != nil {
			return err.Error()
		}
		segments := strings.Split(strings.ReplaceAll(decoded, `\`, "/"), "/")
		for i, s := range segments {
			segments[i], _, _ = strings.Cut(s, ";")
		}
		return strings.Join(segments, "/")
	},
	// A server that decodes twice by mistake.
	"twice": func(raw string) string {
		once, err := url.PathUnescape(raw)
		if err != nil {
			return err.Error()
		}
		if again, err := url.PathUnescape(once); err == nil {
			return again
		}
		return once
	},
}

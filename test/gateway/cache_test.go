package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// careless is a shared cache that ignores cookies and Vary: it keeps each answer to GET under its address, unless
// Cache-Control forbids that (RFC 9111 section 3).
type careless struct {
	f    *front
	kept map[string]reply
}

func (c *careless) get(t *testing.T, protocol, path string, header ...string) (r reply, hit bool) {
	t.Helper()
	if r, hit = c.kept[path]; hit {
		return r, true
	}
	r = c.f.send(t, protocol, ask{path: path, header: header})
	said := strings.ToLower(strings.Join(r.header.Values("Cache-Control"), ","))
	if !strings.Contains(said, "no-store") && !strings.Contains(said, "private") && !strings.Contains(said, "no-cache") {
		c.kept[path] = r
	}
	return r, false
}

func TestACarelessCacheHandsOutNoPersonalAnswer(t *testing.T) {
	t.Attr("threat", "J3")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		f.app.routes["/open/shop"] = func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "basket", Value: "of-the-first-visitor"})
			_, _ = w.Write([]byte("welcome"))
		}
		f.app.routes["/open/logo"] = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			_, _ = w.Write([]byte("logo"))
		}
		paths := []string{"/api/me", "/api/auth/me", "/api/auth/csrf", "/api/auth/sessions", "/signin", "/auth/account"}
		if f.name == "gateway" { // other proxies and their applications decide themselves what caches may store
			paths = append(paths, "/private", "/open/x", "/open/shop")
		}
		for _, first := range [][]string{{cookie}, append(pageHeaders, cookie), pageHeaders, nil} {
			cache := &careless{f, map[string]reply{}}
			for _, path := range paths {
				cache.get(t, protocol, path, first...)
				r, hit := cache.get(t, protocol, path)
				if !hit {
					continue
				}
				if r.header["Set-Cookie"] != nil || strings.Contains(string(r.body), name) {
					t.Errorf("after %q, another gets from the cache at %s: %s, %v", first, path, r, r.header)
				}
			}
			cache.get(t, protocol, "/open/logo", "Accept: */*")
			if _, hit := cache.get(t, protocol, "/open/logo"); !hit {
				t.Error("the cache keeps nothing, so this shows nothing")
			}
		}
	})
}

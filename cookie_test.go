package cloakroom_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
)

func TestACookieThatNoBrowserKeepsIsRefusedAtStart(t *testing.T) {
	t.Attr("threat", "K10")
	const secure, plain = "https://app.example.com", "http://localhost:8000"
	for _, c := range []struct {
		name, url, db string
		cookie        cloakroom.Cookie
		upstream      string
		refused       string // what the error says; "": it is accepted
	}{
		{name: "https as it is", url: secure},
		{name: "http as it is", url: plain},
		{name: "a path, under the default name", url: secure, cookie: cloakroom.Cookie{Path: "/api"}, refused: "__Host-Http-sessionid"},
		{name: "a path, under the default name of http", url: plain, cookie: cloakroom.Cookie{Path: "/api"}},
		{name: "a path, under another name", url: secure, cookie: cloakroom.Cookie{Name: "__Secure-sid", Path: "/api/"}},
		{name: "a path that the API isn't below", url: plain, cookie: cloakroom.Cookie{Path: "/app"}, refused: "/api/me"},
		{name: "a path of a part of the API", url: plain, cookie: cloakroom.Cookie{Path: "/api/auth"}, refused: "/api/me"},
		{name: "a path that is the API's but for a letter", url: plain, cookie: cloakroom.Cookie{Path: "/ap"}, refused: "/api/me"},
		{name: "a path without the upstream", url: plain, cookie: cloakroom.Cookie{Path: "/api"}, upstream: "http://127.0.0.1:1", refused: "Config.Upstreams"},
		{name: "a path with the upstream", url: plain, cookie: cloakroom.Cookie{Path: "/api"}, upstream: "/api/shop=http://127.0.0.1:1"},
		{name: "a relative path", url: plain, cookie: cloakroom.Cookie{Path: "api"}, refused: "begins with /"},
		{name: "a path with an attribute in it", url: plain, cookie: cloakroom.Cookie{Path: "/;Domain=com"}, refused: "path of a cookie"},
		{name: "SameSite=None on http", url: plain, cookie: cloakroom.Cookie{SameSite: http.SameSiteNoneMode}, refused: "SameSite=None"},
		{name: "SameSite=None on https", url: secure, cookie: cloakroom.Cookie{SameSite: http.SameSiteNoneMode}},
		{name: "__Host- on http", url: plain, cookie: cloakroom.Cookie{Name: "__Host-sid"}, refused: "without https"},
		{name: "__Secure- on http", url: plain, cookie: cloakroom.Cookie{Name: "__Secure-sid"}, refused: "without https"},
		{name: "__Http- on http", url: plain, cookie: cloakroom.Cookie{Name: "__Http-sid"}, refused: "without https"},
		{name: "__Host-Http- on http", url: plain, cookie: cloakroom.Cookie{Name: "__Host-Http-sid"}, refused: "without https"},
		{name: "__hOST- on http", url: plain, cookie: cloakroom.Cookie{Name: "__hOST-sid"}, refused: "without https"},
		{name: "__Host- on https", url: secure, cookie: cloakroom.Cookie{Name: "__Host-sid"}},
		{name: "__host- with a domain", url: secure, cookie: cloakroom.Cookie{Name: "__host-sid", Domain: "example.com"}, refused: "allows no domain"},
		{name: "__Secure- with a domain", url: secure, cookie: cloakroom.Cookie{Name: "__Secure-sid", Domain: "example.com"}},
		{name: "__Http- with a domain", url: secure, cookie: cloakroom.Cookie{Name: "__Http-sid", Domain: "example.com"}},
		{name: "a domain, under the default name", url: secure, cookie: cloakroom.Cookie{Domain: "example.com"}, refused: "__Host-Http-sessionid"},
		{name: "the name of the CSRF token's cookie", url: secure, cookie: cloakroom.Cookie{Name: "csrftoken"}, refused: "csrftoken"},
		{name: "the name of the device's cookie", url: secure, cookie: cloakroom.Cookie{Name: "cloakroom_device"}, refused: "cloakroom_device"},
		{name: "a name with =", url: plain, cookie: cloakroom.Cookie{Name: "a=b"}, refused: "name of a cookie"},
		{name: "a name that isn't ASCII", url: plain, cookie: cloakroom.Cookie{Name: "größe"}, refused: "name of a cookie"},
		{name: "a name without an end", url: plain, cookie: cloakroom.Cookie{Name: strings.Repeat("a", 4090)}, refused: "bytes"},
		{name: "another domain", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "example.net"}, refused: "app.example.com, the host of Config.URL"},
		{name: "a domain that only ends the same", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "ple.com"}, refused: "the host of Config.URL"},
		{name: "a domain below the host", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "a.app.example.com"}, refused: "the host of Config.URL"},
		{name: "the host itself", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "App.Example.com"}},
		{name: "a domain with Django's dot", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: ".example.com"}},
		{name: "a top-level domain", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "com"}, refused: "public suffix"},
		{name: "a public suffix", url: "https://app.co.uk", cookie: cloakroom.Cookie{Name: "sid", Domain: "co.uk"}, refused: "public suffix"},
		{name: "a public suffix of a company", url: "https://me.github.io", cookie: cloakroom.Cookie{Name: "sid", Domain: "github.io"}, refused: "public suffix"},
		{name: "an address", url: "http://127.0.0.1:8000", cookie: cloakroom.Cookie{Domain: "127.0.0.1"}, refused: "address"},
		{name: "the end of an address", url: "http://127.0.0.1:8000", cookie: cloakroom.Cookie{Domain: "0.1"}, refused: "domain of a cookie"},
		{name: "a domain with a port", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "example.com:443"}, refused: "domain of a cookie"},
		{name: "a domain with a dot too many", url: secure, cookie: cloakroom.Cookie{Name: "sid", Domain: "example.com."}, refused: "domain of a cookie"},
		{name: "beside Django, another domain", url: plain, db: "django+sqlite:x", cookie: cloakroom.Cookie{Domain: "example.com"}, refused: "localhost, the host of Config.URL"},
		{name: "beside Django, __Host- on http", url: plain, db: "django+sqlite:x", cookie: cloakroom.Cookie{Name: "__Host-sid"}, refused: "without https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := cloakroom.Config{URL: c.url, Data: filepath.Join(t.TempDir(), "data"), DB: c.db, Cookie: c.cookie}
			if c.upstream != "" {
				config.Upstreams = []string{c.upstream}
			}
			srv, err := cloakroom.New(t.Context(), config)
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := srv.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(err.Error(), "Config.Cookie.") {
				t.Errorf("the error is %v, want %q in it", err, c.refused)
			}
			if _, err := os.Stat(config.Data); !os.IsNotExist(err) {
				t.Errorf("the data directory was made: %v", err)
			}
		})
	}
}

// The cookie of a Django with SESSION_COOKIE_DOMAIN has the name sessionid, which may have a domain.
func TestBesideDjangoTheDocumentedDomainIsNoFaultOfTheCookie(t *testing.T) {
	_, err := cloakroom.New(t.Context(), cloakroom.Config{
		URL: "https://app.example.com", Data: t.TempDir(), DB: "django+sqlite:" + filepath.Join(t.TempDir(), "none"),
		Cookie: cloakroom.Cookie{Domain: "example.com"},
	})
	if err == nil || strings.Contains(err.Error(), "cookie") || !strings.Contains(err.Error(), "Config.Django.SecretKeyFile") {
		t.Errorf("the error is %v", err)
	}
}

package passkey_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/passkey"
)

func TestDomain(t *testing.T) {
	t.Attr("threat", "N02")
	const off, wrong = "off", "wrong"
	for _, c := range []struct{ url, domain, want string }{
		{"https://app.example.com", "", "app.example.com"},
		{"https://APP.example.com:8443", "", "app.example.com"},
		{"https://app.example.com", "example.com", "example.com"},
		{"https://app.example.com", "Example.COM", "example.com"},
		{"https://app.example.com", "app.example.com", "app.example.com"},
		{"https://a.b.example.co.uk", "b.example.co.uk", "b.example.co.uk"},
		{"https://a.b.example.co.uk", "example.co.uk", "example.co.uk"},
		{"http://localhost:8000", "", "localhost"},
		{"http://app.localhost:8000", "", "app.localhost"},
		{"https://intranet", "", "intranet"},

		{"https://app.example.com", "com", wrong},
		{"https://a.b.example.co.uk", "co.uk", wrong},
		{"https://ada.github.io", "github.io", wrong},
		{"https://app.example.com", "www.example.com", wrong},
		{"https://app.example.com", "pp.example.com", wrong},
		{"https://example.com", "app.example.com", wrong},
		{"https://app.example.com", "example.com:443", wrong},
		{"https://app.example.com", "https://example.com", wrong},
		{"https://app.example.com", ".example.com", wrong},
		{"http://app.localhost:8000", "localhost", wrong},
		{"http://127.0.0.1:8000", "localhost", wrong},
		{"http://app.example.com", "example.com", wrong},

		{"http://127.0.0.1:8000", "", off},
		{"http://[::1]:8000", "", off},
		{"https://192.0.2.1", "", off},
		{"http://app.example.com", "", off},
	} {
		base, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := passkey.Domain(base, c.domain)
		if _, isOff := errors.AsType[*passkey.OffError](err); isOff {
			got = off
		} else if err != nil {
			got = wrong
		}
		if got != c.want {
			t.Errorf("%s, %q: %q, %v; want %q", c.url, c.domain, got, err, c.want)
		}
	}
}

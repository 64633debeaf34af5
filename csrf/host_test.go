package csrf_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

func TestAllowedHost(t *testing.T) {
	for _, c := range []struct {
		url     string
		origins []string
		yes, no string
	}{
		{
			"https://auth.example.com", []string{"https://app.example.com:8443"},
			"auth.example.com AUTH.Example.com auth.example.com. auth.example.com:443 Auth.example.com.:443 app.example.com:8443",
			"example.com evil.test auth.example.com:80 auth.example.com:8443 app.example.com app.example.com:443 auth.example.com.. " +
				".auth.example.com xauth.example.com auth.example.com.evil.test auth.example.com@evil.test evil/auth.example.com " +
				"auth.example.com: auth.example.com:443:443 auth.example.com:0443 [auth.example.com] 127.0.0.1",
		},
		{
			"http://localhost:8000", nil,
			"localhost:8000 127.0.0.1:8000 [::1]:8000 LOCALHOST:8000",
			"localhost 127.0.0.1 localhost:80 [::1] ::1 ::1:8000 [::1]:8001 127.0.0.2:8000 a.localhost:8000 [::1]x:8000 0.0.0.0:8000",
		},
		{"http://127.0.0.1", nil, "localhost 127.0.0.1:80 [::1]:80 [::1]", "localhost:443 127.0.0.1:8000"},
		{"https://127.0.0.2", nil, "127.0.0.2 127.0.0.2:443", "127.0.0.1 localhost"},
		{"https://[2001:db8::1]:8443", nil, "[2001:db8::1]:8443 [2001:DB8::1]:8443", "[2001:db8::1] [2001:db8::2]:8443"},
	} {
		p := protection(t, csrf.Config{URL: c.url, Origins: c.origins})
		for host := range strings.FieldsSeq(c.yes) {
			if !p.AllowedHost(host) {
				t.Errorf("%s: %q is refused", c.url, host)
			}
		}
		for _, host := range append(strings.Fields(c.no), "", " ", "auth.example.com ", "https://auth.example.com", "auth.example.com\x00") {
			if p.AllowedHost(host) {
				t.Errorf("%s: %q is allowed", c.url, host)
			}
		}
	}
}

func FuzzHost(f *testing.F) {
	f.Add("AUTH.example.com.:443")
	f.Add("good.com@evil")
	f.Add("[::1]:8000")
	f.Add("des\u212a.example.com")
	p := protection(f, csrf.Config{URL: "https://desk.example.com", Origins: []string{"https://app.example.com:8443"}})
	names := []string{
		"desk.example.com", "desk.example.com.", "desk.example.com:443", "desk.example.com.:443",
		"app.example.com:8443", "app.example.com.:8443",
	}
	f.Fuzz(func(t *testing.T, host string) {
		want := slices.Contains(names, strings.ToLower(host)) && !strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 })
		if got := p.AllowedHost(host); got != want {
			t.Fatalf("AllowedHost(%q) = %v", host, got)
		}
	})
}

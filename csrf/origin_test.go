package csrf_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

const here = "https://auth.example.com"

func oneKey() [][]byte { return [][]byte{[]byte("a key for tests")} }

func protection(t testing.TB, c csrf.Config) *csrf.Protection {
	t.Helper()
	if c.URL == "" {
		c.URL = here
	}
	if c.Keys == nil {
		c.Keys = oneKey
	}
	p, err := csrf.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request makes an unsafe request with these headers, given as names and values in turn.
func request(headers ...string) *http.Request {
	r := httptest.NewRequest("POST", "/api/x", nil)
	r.Host = "auth.example.com"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// code is "" for nil, the code of a *csrf.Error, and the text of any other error.
func code(err error) string {
	if refused := new(csrf.Error); errors.As(err, &refused) {
		return refused.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestOriginsAreReadAsBrowsersWriteThem(t *testing.T) {
	for _, c := range []struct{ url, origin, sent string }{
		{"https://auth.example.com", "https://app.example.com", "https://app.example.com"},
		{"https://auth.example.com", "https://example.com", "https://example.com"},
		{"https://auth.example.com", "https://a.b.c.example.com:8443", "https://a.b.c.example.com:8443"},
		{"https://auth.example.com", "HTTPS://App.Example.COM:443", "https://app.example.com"},
		{"https://auth.example.com:8443", "https://auth.example.com", "https://auth.example.com"},
		{"https://a.example.co.uk", "https://b.example.co.uk", "https://b.example.co.uk"},
		{"https://a.me.github.io", "https://b.me.github.io", "https://b.me.github.io"},
		{"https://xn--bcher-kva.example", "https://a.xn--bcher-kva.example", "https://a.xn--bcher-kva.example"},
		{"http://localhost:8000", "http://localhost:3000", "http://localhost:3000"},
		{"http://localhost:8000", "http://127.0.0.1:3000", "http://127.0.0.1:3000"},
		{"http://127.0.0.1:8000", "http://[::1]:3000", "http://[::1]:3000"},
		{"http://127.0.0.1:8000", "http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"},
		{"http://app.localhost:8000", "http://app.localhost:3000", "http://app.localhost:3000"},
		{"https://192.0.2.1", "https://192.0.2.1:3000", "https://192.0.2.1:3000"},
		{"https://[2001:DB8::1]", "https://[2001:db8:0::1]:3000", "https://[2001:db8::1]:3000"},
		{"https://intranet", "https://intranet:3000", "https://intranet:3000"},
	} {
		p := protection(t, csrf.Config{URL: c.url, Origins: []string{c.origin}})
		if err := p.Check(request("Origin", c.sent), csrf.Caller{}); err != nil {
			t.Errorf("%s with %s: %v", c.url, c.origin, err)
		}
	}
}

func TestWildcardOriginsAreRefused(t *testing.T) {
	t.Attr("threat", "E6")
	for _, s := range []string{
		"*", "null", "https://*", "https://*.example.com", "https://app*.example.com", "http://*:3000", ".example.com", "**",
	} {
		for _, c := range []csrf.Config{{URL: s}, {URL: here, Origins: []string{s}}} {
			c.Keys = oneKey
			if _, err := csrf.New(c); err == nil {
				t.Errorf("%q is accepted in %+v", s, c)
			}
		}
	}
}

func TestTextsThatAreNotOriginsAreRefused(t *testing.T) {
	for _, s := range []string{
		"", " ", "example.com", "//example.com", "/", "https:", "https://", "https:///", "https:example.com", "ftp://example.com",
		"javascript:alert(1)", "file:///", "data:,x", "wss://app.example.com", "chrome-extension://abcdef",
		"https://app.example.com/", "https://app.example.com/x", "https://app.example.com?x", "https://app.example.com?",
		"https://app.example.com#x", "https://app.example.com#", "https://user@app.example.com", "https://user:pw@app.example.com",
		"https://@app.example.com", "https://good.example.com@evil.test", "https://app.example.com:", "https://app.example.com:0",
		"https://app.example.com:65536", "https://app.example.com:080", "https://app.example.com:x", "https://app.example.com:-1",
		"https://app.example.com.", "https://app..example.com", "https://.example.com", "https://app.example.com:443:443",
		"https://app.example.com,https://b.example.com", "https://app.example.com https://b.example.com",
		" https://app.example.com", "https://app.example.com\n", "https://app\t.example.com", "https://app.example.com\x00",
		`https:\\app.example.com`, `https://app.example.com\x`, "https://app%2eexample.com", "https://%61pp.example.com",
		"https://bücher.example.com", "https://ａpp.example.com", "https://app。example.com", "https://des\u212a.example.com", "https://a\u017f.example.com", "https://1", "https://127.1",
		"https://0x7f.1", "https://0x7f000001", "https://256.0.0.1", "https://1.2.3.04", "https://example.0x1", "https://[1.2.3.4]",
		"https://[::ffff:127.0.0.1]", "https://[fe80::1%25eth0]", "https://[::1", "https://::1", "https://[::1]x", "https://[]",
		"https://" + strings.Repeat("a.", 130) + "example.com",
	} {
		for _, c := range []csrf.Config{{URL: s}, {URL: here, Origins: []string{s}}} {
			c.Keys = oneKey
			if _, err := csrf.New(c); err == nil {
				t.Errorf("%q is accepted in %+v", s, c.Origins)
			}
		}
	}
}

func TestHTTPNeedsALoopbackHostOrInsecureHTTP(t *testing.T) {
	for _, url := range []string{"http://localhost", "http://127.0.0.1:8000", "http://127.9.9.9", "http://[::1]:80", "http://app.localhost"} {
		protection(t, csrf.Config{URL: url})
	}
	for _, url := range []string{"http://example.com", "http://10.0.0.1", "http://localhost.example.com", "http://intranet", "http://notlocalhost"} {
		if _, err := csrf.New(csrf.Config{URL: url, Keys: oneKey}); err == nil {
			t.Errorf("%s is accepted", url)
		}
		protection(t, csrf.Config{URL: url, InsecureHTTP: true})
	}
}

func TestErrCrossSite(t *testing.T) {
	for _, c := range []struct {
		url, origin string
		want        error
		says        string
	}{
		{"https://auth.example.com", "https://app.example.org", csrf.ErrOriginNotSameSite, "example.org"},
		{"https://auth.example.com", "https://badexample.com", csrf.ErrOriginNotSameSite, "badexample.com"},
		{"https://auth.example.com", "https://example.com.evil.test", csrf.ErrOriginNotSameSite, "evil.test"},
		{"https://auth.example.com", "http://app.example.com", csrf.ErrOriginNotSameSite, "scheme"},
		{"http://localhost:8000", "https://localhost:3000", csrf.ErrOriginNotSameSite, "scheme"},
		{"https://a.github.io", "https://b.github.io", csrf.ErrOriginNotSameSite, "b.github.io"},
		{"https://a.co.uk", "https://b.co.uk", csrf.ErrOriginNotSameSite, "b.co.uk"},
		{"https://github.io", "https://a.github.io", csrf.ErrOriginNotSameSite, "github.io"},
		{"https://intranet", "https://app.intranet", csrf.ErrOriginNotSameSite, "intranet"},
		{"http://localhost:8000", "http://app.localhost:8000", csrf.ErrOriginNotSameSite, "localhost"},
		{"https://192.0.2.1", "https://192.0.2.2", csrf.ErrOriginNotSameSite, "address"},
		{"https://192.0.2.1", "https://app.example.com", csrf.ErrOriginNotSameSite, "address"},
		{"https://auth.example.com", "https://192.0.2.1", csrf.ErrOriginNotSameSite, "address"},
		{"https://[2001:db8::1]", "https://[2001:db8::2]", csrf.ErrOriginNotSameSite, "address"},
		{"http://127.0.0.2:8000", "http://127.0.0.1:3000", csrf.ErrOriginNotSameSite, "address"},
	} {
		_, err := csrf.New(csrf.Config{URL: c.url, Origins: []string{c.origin}, Keys: oneKey})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.origin) {
			t.Errorf("%s with %s: %v", c.url, c.origin, err)
		}
	}
}

func TestAnOriginGivenTwiceIsRefused(t *testing.T) {
	for _, origins := range [][]string{
		{"https://app.example.com", "https://app.example.com"},
		{"https://app.example.com", "https://APP.example.com:443"},
		{here},
	} {
		_, err := csrf.New(csrf.Config{URL: here, Origins: origins, Keys: oneKey})
		if err == nil || errors.Is(err, csrf.ErrOriginNotSameSite) {
			t.Errorf("%v: %v", origins, err)
		}
	}
	if _, err := csrf.New(csrf.Config{URL: here}); err == nil {
		t.Error("no keys, and no error")
	}
}

// Each accepted text is an origin that a browser could send, and equals only itself.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		here, "HTTPS://App.Example.COM:443", "http://[::1]:3000", "https://good@evil", "https://a.example.com:080", "null", "*",
		"https://1.2.3.4", "https://0x7f.1", "https://a.example.com/", "https://[::ffff:1.2.3.4]", "https://xn--a",
	} {
		f.Add(s, here)
	}
	f.Fuzz(func(t *testing.T, s, sent string) {
		p, err := csrf.New(csrf.Config{URL: s, InsecureHTTP: true, Keys: oneKey})
		if err != nil {
			return
		}
		scheme, host, ok := strings.Cut(strings.ToLower(s), "://")
		if !ok || scheme != "https" && scheme != "http" || strings.ContainsAny(host, "/\\?#@*% \t\r\n") {
			t.Fatalf("%q is accepted", s)
		}
		if !p.AllowedHost(host) {
			t.Fatalf("%q: its own host is refused", s)
		}
		for _, c := range host {
			if c > '~' || c < '-' {
				t.Fatalf("%q is accepted", s)
			}
		}
		r := request("Origin", sent)
		r.Host = strings.TrimPrefix(strings.TrimPrefix(sent, "https://"), "http://")
		if p.Check(r, csrf.Caller{}) == nil && sent != "" {
			again, err := csrf.New(csrf.Config{URL: sent, InsecureHTTP: true, Keys: oneKey})
			if err != nil {
				t.Fatalf("%q lets %q in, which is no origin: %v", s, sent, err)
			}
			if !again.AllowedHost(host) {
				t.Fatalf("%q lets %q in", s, sent)
			}
		}
	})
}

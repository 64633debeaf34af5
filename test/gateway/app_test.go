package gateway_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// built makes the folder of a built app, and a file beside it that must not be served.
func built(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dist")
	for name, text := range map[string]string{
		"index.html": "<title>the app</title>", "assets/index-BkV8gq3T.js": "let app", "assets/index-DiwrgTda.css": "body{}", "favicon.svg": "<svg/>",
		"docs/index.html": "the docs", "empty/x.txt": "x", ".env": "SECRET=1", ".git/config": "secret", "assets/.hidden.js": "secret",
		".well-known/security.txt": "Contact: us", "große datei.txt": "with blanks", "../beside.txt": "secret", "api/real.json": "{}",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out.txt": "../beside.txt", "etc": "/etc", "in.svg": "favicon.svg"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheAppIsServed(t *testing.T) {
	f := startAlone(t, "--app", built(t))
	for _, c := range []struct {
		path   string
		header []string
		status int
		body   string
		cache  string
	}{
		{"/", nil, 200, "the app", "no-cache"}, {"/index.html", nil, 200, "the app", "no-cache"}, {"/", pageHeaders, 200, "the app", "no-cache"},
		{"/assets/index-BkV8gq3T.js", nil, 200, "let app", "public, max-age=31536000, immutable"},
		{"/assets/index-DiwrgTda.css", scriptHeaders, 200, "body{}", "public, max-age=31536000, immutable"},
		{"/favicon.svg", nil, 200, "<svg/>", "no-cache"}, {"/in.svg", nil, 200, "<svg/>", "no-cache"},
		{"/docs", nil, 200, "the docs", "no-cache"}, {"/docs/", nil, 200, "the docs", "no-cache"},
		{"/.well-known/security.txt", nil, 200, "Contact", "no-cache"}, {"/gro%C3%9Fe%20datei.txt", nil, 200, "with blanks", "no-cache"},
		// The history fallback is only for what a browser shows as a page.
		{"/orders/7", pageHeaders, 200, "the app", "no-cache"}, {"/orders/7", oldPage, 200, "the app", "no-cache"}, {"/users/john.doe", pageHeaders, 200, "the app", "no-cache"},
		{"/orders/7", fetchHeaders, 404, "not_found", "no-store"}, {"/orders/7", nil, 404, "not_found", "no-store"},
		{"/assets/index-OLDOLD12.js", scriptHeaders, 404, "not_found", "no-store"}, {"/assets/index-OLDOLD12.js", pageHeaders, 404, "not_found", "no-store"},
		{"/api/nothing", pageHeaders, 404, "not_found", "no-store"}, {"/api/real.json", nil, 200, "{}", "no-cache"},
		// No listing, no hidden files, nothing outside of the folder.
		{"/empty", nil, 404, "not_found", "no-store"}, {"/empty/", nil, 404, "not_found", "no-store"}, {"/assets/", nil, 404, "not_found", "no-store"},
		{"/.env", nil, 404, "not_found", "no-store"}, {"/.git/config", nil, 404, "not_found", "no-store"}, {"/assets/.hidden.js", nil, 404, "not_found", "no-store"},
		{"/out.txt", nil, 404, "not_found", "no-store"}, {"/etc/passwd", nil, 404, "not_found", "no-store"}, {"/favicon.svg/", nil, 404, "not_found", "no-store"},
		{"/../beside.txt", nil, 400, "ambiguous_path", "no-store"}, {"/..%2fbeside.txt", nil, 400, "ambiguous_path", "no-store"},
		{"/%2e%2e/beside.txt", nil, 400, "ambiguous_path", "no-store"}, {"//evil.test/..", pageHeaders, 400, "ambiguous_path", "no-store"},
		{"/INDEX.HTML", nil, 404, "not_found", "no-store"},
	} {
		r := f.question(t, c.path, c.header...)
		if r.status != c.status || !strings.Contains(string(r.body), c.body) || r.header.Get("Cache-Control") != c.cache || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %v: %s, %v", c.path, c.header, r, r.header)
		}
		if strings.Contains(string(r.body), "secret") || strings.Contains(string(r.body), "SECRET") || r.header.Get("Location") != "" {
			t.Errorf("%s: %s", c.path, r)
		}
	}
}

func TestAnUnchangedAppIsNotSentAgain(t *testing.T) {
	dir := built(t)
	f := startAlone(t, "--app", dir)
	first := f.question(t, "/")
	if r := f.question(t, "/", "If-None-Match: "+first.header.Get("Etag")); r.status != 304 || len(r.body) != 0 {
		t.Errorf("the same page again: %s", r)
	}
	// A reproducible build changes neither time nor size.
	info, err := os.Stat(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<title>new app</title>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "index.html"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if r := f.question(t, "/", "If-None-Match: "+first.header.Get("Etag")); r.status != 200 || !strings.Contains(string(r.body), "new app") {
		t.Errorf("the page of a new build: %s", r)
	}
	if r := f.question(t, "/favicon.svg", "Range: bytes=1-3"); r.status != 206 || string(r.body) != "svg" {
		t.Errorf("a part: %s", r)
	}
}

func TestTheAppAndTheUpstreamShareThePaths(t *testing.T) {
	dir := built(t)
	rest, prefixed := startApplication(t), startApplication(t)
	f := startAlone(t, "--app", dir, "--upstream", rest.URL, "--upstream", "/shop="+prefixed.URL, "--rule", "permission:app.see /docs/*")
	cookie := f.plainSignedIn(t, "ada")
	for _, c := range []struct {
		path   string
		header []string
		who    string // the backend that answers; "": the app
	}{
		{"/", pageHeaders, ""}, {"/favicon.svg", nil, ""}, {"/orders/7", pageHeaders, ""}, {"/orders/7", fetchHeaders, "rest"}, {"/api/orders", pageHeaders, "rest"},
		{"/api/orders", fetchHeaders, "rest"}, {"/shop", pageHeaders, "prefixed"}, {"/shop/x", nil, "prefixed"}, {"/shopx", fetchHeaders, "rest"}, {"/shop/favicon.svg", nil, "prefixed"},
	} {
		a, b := rest.requests.Load(), prefixed.requests.Load()
		r := f.question(t, c.path, append(c.header, cookie)...)
		got := map[bool]string{true: "rest"}[rest.requests.Load() > a] + map[bool]string{true: "prefixed"}[prefixed.requests.Load() > b]
		if r.status != 200 || got != c.who {
			t.Errorf("%s %v: %s answers %s, want %q", c.path, c.header, got, r, c.who)
		}
		if r := f.question(t, c.path, c.header...); (r.status == 200) != (c.who == "") {
			t.Errorf("%s %v: a visitor gets %s", c.path, c.header, r)
		}
	}
	if r := f.question(t, "/docs", cookie); r.status != 403 {
		t.Errorf("a file that a rule is about: %s", r)
	}
	if r := f.question(t, "/api/auth/nothing", cookie); r.status != 404 || r.code() != "not_found" {
		t.Errorf("an unknown path of our own: %s", r)
	}
}

// plainSignedIn makes a user and signs them in over plain http, as a proxy would.
func (f *front) plainSignedIn(t *testing.T, name string) string {
	t.Helper()
	f.person(t, name)
	body := `{"username":"` + name + `","password":"` + goodPassword + `"}`
	c := plain(t, f.inner)
	defer c.Close()
	r, err := sendH1(c, ask{method: "POST", path: "/api/auth/login", host: f.host, body: body, header: []string{"Content-Type: application/json", "Origin: https://" + f.host}})
	if err != nil || r.status != 200 {
		t.Fatalf("sign-in: %s, %v", r, err)
	}
	return ticketOf(t, r)
}

func TestANewCertificateIsLoaded(t *testing.T) {
	f := newFront(t, "gateway")
	certificate, key := f.certify(t)
	f.inner = f.address
	f.serve(t, "--tls-cert", certificate, "--tls-key", key)
	serial := func() string {
		c, err := tls.Dial("tcp", f.address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	if err := os.WriteFile(certificate, []byte("half a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	if serial() != first {
		t.Error("files that don't belong together are taken")
	}
	fresh := writeCertificate(t, certificate, key).SerialNumber.String()
	for deadline := time.Now().Add(patience); serial() != fresh; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate isn't taken")
		}
	}
	if _, err := tls.Dial("tcp", f.address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

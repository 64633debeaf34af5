package gateway_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// withTraefik adds the Traefik that CLOAKROOM_TRAEFIK names (3.7.12 or later), since Debian has none. It must pass the same
// tests as the other fronts.
func withTraefik(all map[string]func(testing.TB, ...string) *front) map[string]func(testing.TB, ...string) *front {
	if traefik := os.Getenv("CLOAKROOM_TRAEFIK"); traefik != "" {
		all["traefik"] = func(t testing.TB, args ...string) *front { return startTraefik(t, traefik, args...) }
	}
	return all
}

// startTraefik starts Traefik with the two configurations of docs/deploy.md in front of the program and the application.
func startTraefik(t testing.TB, traefik string, args ...string) *front {
	t.Helper()
	f := newFront(t, "traefik")
	f.startAuthServer(t, args...)
	dir := t.TempDir()
	certificate, key := f.certify(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\nTraefik")
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/deploy.md has %d configurations of Traefik, want two", len(blocks))
	}
	file := func(name, config string, replace ...string) string {
		for i := 0; i < len(replace); i += 2 {
			if !strings.Contains(config, replace[i]) {
				t.Fatalf("the configuration of Traefik doesn't say %q", replace[i])
			}
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(config)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dynamic := file("dynamic.yml", blocks[1][1], "`app.example.com`", "`localhost`", "127.0.0.1:8000", f.inner, "127.0.0.1:3000", f.app.address(),
		"/etc/ssl/certs/app.example.com.pem", certificate, "/etc/ssl/private/app.example.com.key", key)
	static := file("traefik.yml", blocks[0][1], "address: :443", "address: "+f.address, "/etc/traefik/dynamic.yml", dynamic)
	run(t, traefik, "--configFile="+static).listening(f.address)
	ready := eventually(func() bool { // it listens before it has read what to do
		c, err := tls.Dial("tcp", f.address, &tls.Config{RootCAs: f.roots, ServerName: "localhost"})
		if err != nil {
			return false
		}
		defer c.Close()
		r, err := sendH1(c, ask{method: "GET", path: "/api/me", host: f.host})
		return err == nil && r.status == 401
	})
	if !ready {
		t.Fatal("Traefik doesn't take its configuration")
	}
	return f
}

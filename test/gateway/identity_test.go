package gateway_test

import (
	"slices"
	"strings"
	"testing"
)

func TestTheApplicationLearnsWhoIsAsking(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		r := f.send(t, protocol, ask{path: "/orders/7?page=2&x=%2f..", header: []string{cookie + "; theme=dark"}})
		s, ok := r.seen()
		if !ok {
			t.Fatal(r)
		}
		for variable, want := range map[string]string{
			"HTTP_REMOTE_USER": name, "HTTP_REMOTE_EMAIL": name + "@example.com", "HTTP_REMOTE_GROUPS": "", "HTTP_REMOTE_NAME": "",
			"HTTP_COOKIE": "theme=dark", "HTTP_X_FORWARDED_HOST": f.host, "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "127.0.0.1",
		} {
			if s.CGI[variable] != want {
				t.Errorf("%s is %q, want %q", variable, s.CGI[variable], want)
			}
		}
		public, ok := f.send(t, protocol, ask{path: "/open/x"}).seen()
		if !ok {
			t.Fatal("a public path is closed")
		}
		for _, name := range []string{"Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name", "Cloakroom-Assertion"} {
			if f.name == "gateway" && len(s.Header[name]) != 1 {
				t.Errorf("%s is there %d times", name, len(s.Header[name]))
			}
			if f.name == "gateway" && !slices.Equal(public.Header[name], []string{""}) {
				t.Errorf("nobody is signed in, and %s is %q", name, public.Header[name])
			}
		}
		if s.URI != "/orders/7?page=2&x=%2f.." || s.Host != f.host || s.Method != "GET" {
			t.Errorf("the application sees %s %s at %s", s.Method, s.URI, s.Host)
		}
		if strings.Contains(string(r.body), strings.TrimPrefix(cookie, "Cookie: "+sessionCookie+"=")) {
			t.Error("the application sees the ticket")
		}
	})
}

package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/redisserver"
)

func TestAnUpstreamThatIsDownEndsNoSession(t *testing.T) {
	f := startGateway(t, "--upstream-timeout", "1s")
	cookie := f.signedIn(t, "ada")
	release := make(chan struct{})
	f.app.routes["/slow"] = func(w http.ResponseWriter, r *http.Request) { <-release }
	f.app.routes["/broken"] = func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }
	defer close(release)
	for _, protocol := range []string{"h1", "h2"} {
		for path, want := range map[string]string{"/slow": "504 upstream_timeout", "/broken": "502 upstream_down"} {
			r := f.send(t, protocol, ask{path: path, header: []string{cookie}})
			f.calm(t, r, want)
		}
	}
	f.app.CloseClientConnections()
	f.app.Listener.Close()
	for _, protocol := range []string{"h1", "h2"} {
		f.calm(t, f.send(t, protocol, ask{path: "/private", header: []string{cookie}}), "502 upstream_down")
		f.calm(t, f.send(t, protocol, ask{path: "/private", header: append(pageHeaders, cookie)}), "502 upstream_down")
		for _, asked := range []ask{{path: "/private", header: []string{cookie}}, {path: "/open/x", header: []string{cookie}}, {path: "/open/x"}} {
			r := f.send(t, protocol, asked)
			if f.calm(t, r, "502 upstream_down"); strings.Contains(string(r.body), "signed in") != (asked.header != nil) {
				t.Errorf("%v is told %s", asked, r.body)
			}
		}
		if r := f.send(t, protocol, ask{path: "/api/me", header: []string{cookie}}); r.status != 200 {
			t.Errorf("signed out: %s", r)
		}
		if r := f.send(t, protocol, ask{path: "/private"}); r.status != 401 {
			t.Errorf("a visitor: %s", r)
		}
	}
}

// calm fails the test unless the answer has this status and code, and leaves the cookie alone.
func (f *front) calm(t *testing.T, r reply, want string) {
	t.Helper()
	status, code, _ := strings.Cut(want, " ")
	if got := http.StatusText(r.status); r.code() != code || !strings.HasPrefix(r.String(), status) {
		t.Errorf("%s %s, want %s", got, r, want)
	}
	if r.header["Set-Cookie"] != nil || r.header["Clear-Site-Data"] != nil || r.header.Get("Location") != "" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %v", r, r.header)
	}
}

func TestAStoreThatIsDownGrantsNoAccessAndEndsNoSession(t *testing.T) {
	t.Attr("threat", "E09")
	t.Attr("threat", "L04")
	onEachFrontWith(t, func(t *testing.T, start func(testing.TB, ...string) *front) {
		redis, err := redisserver.New(t.Context(), t.TempDir(), "--appendfsync", "always")
		if err != nil {
			t.Fatal(err)
		}
		defer redis.Kill()
		f := start(t, "--sessions", redis.URL())
		cookie := f.signedIn(t, "ada")
		if _, ok := f.send(t, "h1", ask{path: "/private", header: []string{cookie}}).seen(); !ok {
			t.Fatal("not signed in")
		}
		redis.Kill()
		for _, protocol := range []string{"h1", "h2"} {
			for _, header := range [][]string{fetchHeaders, pageHeaders} {
				for _, path := range []string{"/private", "/admin/x", "/open/x"} {
					r := f.kept(t, protocol, ask{path: path, header: append(header, cookie)}, 503)
					f.calm(t, r, "503 unavailable")
					if r.header.Get("Retry-After") == "" {
						t.Errorf("%s: %v", r, r.header)
					}
				}
			}
			if _, ok := f.send(t, protocol, ask{path: "/open/x"}).seen(); !ok {
				t.Error("who shows no ticket needs no store")
			}
		}
		if err := redis.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			r := f.send(t, "h1", ask{path: "/private", header: []string{cookie}})
			if _, ok := r.seen(); ok {
				return
			}
			if r.status == 401 || time.Now().After(deadline) {
				t.Fatalf("once the store is back: %s", r)
			}
		}
	})
}

// onEachFrontWith is onEachFront for tests that start the front themselves.
func onEachFrontWith(t *testing.T, test func(t *testing.T, start func(testing.TB, ...string) *front)) {
	for name, start := range fronts {
		t.Run(name, func(t *testing.T) { test(t, start) })
	}
}

// A client that goes away takes its request with it: by ending the connection, or in HTTP/2 the stream alone.
func TestTheUpstreamLearnsThatTheClientHasGone(t *testing.T) {
	f := startGateway(t)
	arrived, gone := make(chan struct{}), make(chan struct{})
	f.app.routes["/open/long"] = func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}
	for _, protocol := range []string{"h1", "h2"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", "https://"+f.host+"/open/long", nil)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := f.clientOf(protocol).Do(r)
			ended <- err
		}()
		select {
		case <-arrived:
		case err := <-ended:
			t.Fatalf("%s: ended before it was given up: %v", protocol, err)
		}
		cancel()
		select {
		case <-gone:
		case <-time.After(patience):
			t.Errorf("%s: the upstream goes on working although its client is gone", protocol)
		}
	}
}

package django_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// inFront restarts Cloakroom in front of Django.
func (p *pair) inFront(t testing.TB, change func()) *pair {
	t.Helper()
	p.stop()
	p.front, p.config.Upstreams, p.config.Rules = true, []string{p.site.URL}, []string{"public /held", "public /login"}
	if change != nil {
		change()
	}
	p.start()
	return p
}

// While a slow view runs, the browser gets another cookie. Django then finds no session, and deletes the cookie by its name
// or puts an anonymous session into it.
func TestALateResponseOfDjangoSignsNoBrowserOut(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil).inFront(t, nil)
		posts := func(b *person, path string, body any) {
			b.t.Helper()
			if status := b.ours.Do(b.t, "POST", path, body, nil); status != http.StatusOK {
				b.t.Fatalf("%s: %d", path, status)
			}
		}
		n := 0
		for what, meanwhile := range map[string]func(b *person, name string){
			"re-authentication": func(b *person, _ string) { posts(b, "/api/auth/reauthenticate", map[string]any{"password": good}) },
			"a password change": func(b *person, _ string) {
				posts(b, "/api/auth/password/change", map[string]any{"current_password": good, "new_password": better})
			},
			"a sign-in over it": func(b *person, name string) { b.signsIn("Cloakroom", name, good) },
			"a sign-out and a sign-in": func(b *person, name string) {
				posts(b, "/api/auth/logout", nil)
				b.signsIn("Cloakroom", name, good)
			},
		} {
			for _, then := range []string{"read", "write", "set", "loaded read", "loaded write"} {
				n++
				name, _ := p.user(t)
				b := p.person(t)
				b.signsIn("Cloakroom", name, good)
				b.duringSlowView(t, fmt.Sprint("gate", n), then, func() { meanwhile(b, name) })
				var me seen
				if status := b.ours.Do(t, "GET", "/api/me", nil, &me); status != http.StatusOK || me.Username != name {
					t.Errorf("%s while a view is to %s: %d", what, then, status)
				}
			}
		}
		// The anonymous session that Django made for a visitor ends with the visitor's sign-in, too.
		name, _ := p.user(t)
		b := p.person(t)
		b.django.Do(t, "POST", "/session", map[string]any{"set": map[string]any{"basket": 1}}, nil)
		b.duringSlowView(t, "visitor", "loaded write", func() { b.signsIn("Cloakroom", name, good) })
		if status := b.ours.Do(t, "GET", "/api/me", nil, nil); status != http.StatusOK {
			t.Errorf("a visitor who has signed in meanwhile: %d", status)
		}
	})
}

// duringSlowView calls do while Django runs a view that the browser has requested, through Cloakroom if it is in front, and
// returns after the response.
func (b *person) duringSlowView(t testing.TB, gate, then string, do func()) {
	t.Helper()
	gate = fmt.Sprintf("%s-%p", url.QueryEscape(gate), b) // one for each test
	at := b.p.url
	if !b.p.front {
		at = b.p.site.URL
	}
	type end struct {
		status int
		err    error
	}
	done := make(chan end, 1)
	ask := func() {
		answer, err := b.ours.Client.Get(at + "/held?gate=" + gate + "&then=" + url.QueryEscape(then))
		if err != nil {
			done <- end{0, err}
			return
		}
		answer.Body.Close()
		done <- end{answer.StatusCode, nil}
	}
	go ask()
	var view struct{ Waits bool }
	for deadline := time.Now().Add(60 * time.Second); !view.Waits; time.Sleep(5 * time.Millisecond) {
		b.p.site.Browser(t).Do(t, "GET", "/gate?gate="+gate, nil, &view)
		select {
		case e := <-done:
			if e.status != http.StatusServiceUnavailable { // as when another process holds the SQLite file for too long
				t.Fatalf("the request ended before the view was called: %d, %v", e.status, e.err)
			}
			go ask()
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the view isn't called")
		}
	}
	do()
	b.p.site.Browser(t).Do(t, "POST", "/gate?gate="+gate, nil, nil)
	if e := <-done; e.err != nil {
		t.Fatal(e.err)
	}
}

// The node in front learns from the store what another node has done.
func TestALateResponseOfDjangoSignsNoBrowserOutAtAnotherNode(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		other := *p
		other.config.KeyFile, other.config.Data = filepath.Join(p.config.Data, "secret.key"), t.TempDir()
		other.start()
		p.inFront(t, nil)
		for n, do := range []func(b *person, name string) int{
			func(b *person, _ string) int {
				return b.ours.At(other.url).Do(t, "POST", "/api/auth/reauthenticate", map[string]any{"password": good}, nil)
			},
			func(b *person, name string) int {
				return b.ours.At(other.url).Do(t, "POST", "/api/auth/login", map[string]any{"username": name, "password": good}, nil)
			},
		} {
			name, _ := p.user(t)
			b := p.person(t)
			b.signsIn("Cloakroom", name, good)
			b.duringSlowView(t, fmt.Sprint("node", n), "read", func() {
				if status := do(b, name); status != http.StatusOK {
					t.Fatalf("at the other node: %d", status)
				}
			})
			if status := b.ours.Do(t, "GET", "/api/me", nil, nil); status != http.StatusOK {
				t.Errorf("%d: %d", n, status)
			}
		}
	})
}

// This covers Django's sign-in, its sign-out, and anonymous sessions.
func TestCookiesOfDjangosOwnSessionsReachTheBrowser(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil).inFront(t, nil)
		name, _ := p.user(t)
		b := p.person(t)
		through := b.ours
		if status := through.Do(t, "POST", "/login", map[string]any{"username": name, "password": good}, nil); status != http.StatusOK {
			t.Fatal(status)
		}
		b.is(name)
		b.duringSlowView(t, "own", "logout", func() {})
		if b.hasCookie() {
			t.Error("after Django's sign-out the browser has a cookie")
		}
		b.duringSlowView(t, "visitor", "write", func() {})
		if !b.hasCookie() {
			t.Error("a visitor of Django's has no session")
		}
		b.signsIn("Cloakroom", name, good)
		another, _ := p.user(t)
		b.duringSlowView(t, "both", "read", func() {
			if status := through.Do(t, "POST", "/login", map[string]any{"username": another, "password": good}, nil); status != http.StatusOK {
				t.Fatal(status)
			}
		})
		b.is(another)
		// A slow sign-in counts, too, although the browser has got another ticket meanwhile.
		b.duringSlowView(t, "sign-in", "login "+name, func() {
			if status := b.ours.Do(t, "POST", "/api/auth/reauthenticate", map[string]any{"password": good}, nil); status != http.StatusOK {
				t.Fatal(status)
			}
		})
		b.is(name)
	})
}

// If Django has an address of its own, Cloakroom doesn't see its responses.
func TestTheDocumentedMiddlewareLeavesANewerCookie(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("../internal/djangoserver/site/late.py")
	if err != nil {
		t.Fatal(err)
	}
	if page, err := os.ReadFile("../docs/django.md"); err != nil || !strings.Contains(strings.ReplaceAll(string(page), "\n  ", "\n"), string(code)) {
		t.Errorf("docs/django.md doesn't show late.py as it is tested here: %v", err)
	}
	p := newPair(t, sqliteAddress(t), func(d *djangoserver.Config, _ *cloakroom.Config) { d.Middleware = []string{"late.LeaveNewerSession"} })
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Cloakroom", name, good)
	b.duringSlowView(t, "two hosts", "read", func() {
		if status := b.ours.Do(t, "POST", "/api/auth/reauthenticate", map[string]any{"password": good}, nil); status != http.StatusOK {
			t.Fatal(status)
		}
	})
	b.is(name)
	b.duringSlowView(t, "its own", "logout", func() {})
	if b.hasCookie() {
		t.Error("after Django's sign-out the browser has a cookie")
	}
}

// hasCookie reports whether the browser has a session cookie.
func (b *person) hasCookie() bool {
	at, err := url.Parse(b.p.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.ours.Client.Jar.Cookies(at) {
		if c.Name == "sessionid" {
			return true
		}
	}
	return false
}

package django_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	good   = "correct horse battery staple"
	better = "another horse battery staple"
)

// pair is a Django and a Cloakroom on one database.
type pair struct {
	t      testing.TB
	site   *djangoserver.Site
	server *cloakroom.Server
	url    string // Cloakroom's
	config cloakroom.Config
	keys   []string // of the sessions that no test is to touch
	direct string   // the database's own address, where Cloakroom has it by way of a pooler
	feed   bool     // Cloakroom answers from memory, and hears a moment later what Django has done
	front  bool     // Cloakroom stands in front of Django
	run    bool     // what a server does beside requests is done
	newer  bool     // Django is of 4.1 or later
	only   []string // the cells that agreesInEachCell goes through; nil: all
	member string   // how tables that join users call the user; "": "user"
	stop   func()   // stops Cloakroom; may be called again
}

// newPair starts both. change may be nil.
func newPair(t testing.TB, database string, change func(d *djangoserver.Config, c *cloakroom.Config)) *pair {
	t.Helper()
	d := djangoserver.Config{Database: database, Keys: keys}
	c := cloakroom.Config{DB: "django+" + database, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&d, &c)
	}
	c.Django.SecretKeyFile = keyFile(t, d.Keys)
	p := &pair{t: t, site: djangoserver.New(t, d), config: c, direct: database, newer: d.Django.Version != ""}
	p.site.Start(t)
	p.start()
	return p
}

func keyFile(t testing.TB, keys []string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret-key")
	if err := os.WriteFile(file, []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var usual = pbkdf2(good, 20_000) // as the hashers of the site make them

// start starts Cloakroom, with an application behind it that shows and changes a session's values.
func (p *pair) start() {
	p.t.Helper()
	var handler http.Handler
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	p.url = "http://" + web.Listener.Addr().String()
	p.config.URL = p.url
	server, err := cloakroom.New(p.t.Context(), p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.config.Django.Hasher == "" {
		// Without users, a failed sign-in costs what it would cost with a current Django, which is fifty times as much as
		// with this one.
		server.Accounts.Hasher.MinimumCost = usual
	}
	p.server, handler = server, server.Handler(http.HandlerFunc(p.program))
	if p.front {
		handler = server.Handler(nil)
	}
	web.Start()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	if p.feed || p.run {
		go func() { ran <- server.Run(ctx) }()
	} else {
		ran <- nil
	}
	p.stop = sync.OnceFunc(func() {
		web.Close()
		cancel()
		if err := errors.Join(<-ran, server.Close()); err != nil {
			p.t.Error(err)
		}
	})
	p.t.Cleanup(p.stop)
}

// agree calls check until it reports nothing. It calls it once if the servers must agree at once; with the feed, a notice
// may take a moment.
func (p *pair) agree(t testing.TB, check func() string) {
	t.Helper()
	deadline := time.Now()
	if p.feed {
		deadline = deadline.Add(2 * time.Minute)
	}
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// program is a Go application that reads and changes sessions beside Django.
func (p *pair) program(w http.ResponseWriter, r *http.Request) {
	s, err := session.FromContext(r.Context())
	if err == nil && s == nil {
		http.Error(w, "anonymous", http.StatusUnauthorized)
		return
	}
	if err == nil && r.Method == http.MethodPost {
		var set map[string]json.RawMessage
		if err = json.NewDecoder(r.Body).Decode(&set); err == nil {
			s, err = p.server.Sessions.Update(r.Context(), s, func(v session.Values) error {
				for key, value := range set {
					v[key] = value
				}
				return nil
			})
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if err := json.NewEncoder(w).Encode(s.Values()); err != nil {
		p.t.Error(err)
	}
}

// person is a user's browser, for both sites.
type person struct {
	p      *pair
	t      testing.TB
	django *djangoserver.Browser
	ours   *djangoserver.Browser
}

func (p *pair) person(t testing.TB) *person {
	b := p.site.Browser(t)
	return &person{p, t, b, b.At(p.url)}
}

var users atomic.Int64

// named returns a username, which is an address if users sign in by their address.
func (p *pair) named(name string) string {
	if p.config.Django.UserLogin == "email" {
		return name + "@example.com"
	}
	return name
}

// user creates a user in Django, and returns the name and the ID.
func (p *pair) user(t testing.TB) (name, id string) {
	t.Helper()
	name = p.named(fmt.Sprintf("ann%d", users.Add(1)))
	p.site.Run(t, "add", map[string]any{"name": name, "password": good}, &id)
	return name, id
}

// signsIn signs in at Django or at Cloakroom, which must succeed.
func (b *person) signsIn(at, name, password string) {
	b.t.Helper()
	status := b.signIn(at, name, password)
	for deadline := time.Now().Add(2 * time.Minute); status == http.StatusServiceUnavailable && time.Now().Before(deadline); {
		status = b.signIn(at, name, password) // the machine is busy
	}
	if status != http.StatusOK {
		b.t.Fatalf("sign-in of %s at %s: %d", name, at, status)
	}
}

func (b *person) signIn(at, name, password string) (status int) {
	b.t.Helper()
	credentials := map[string]any{"username": name, "password": password}
	if at == "Django" {
		return b.django.Do(b.t, "POST", "/login", credentials, nil)
	}
	return b.ours.Do(b.t, "POST", "/api/auth/login", credentials, nil)
}

type seen struct {
	ID          any
	Username    string
	Permissions []string
}

// is checks that both sites take the browser for this user's.
func (b *person) is(name string) {
	b.t.Helper()
	var ours, django seen
	b.p.agree(b.t, func() string {
		if status := b.ours.Do(b.t, "GET", "/api/me", nil, &ours); status != http.StatusOK || ours.Username != name {
			return fmt.Sprintf("Cloakroom: %d %+v, want %s", status, ours, name)
		}
		return ""
	})
	if status := b.django.Do(b.t, "GET", "/me", nil, &django); status != http.StatusOK || django.Username != name {
		b.t.Fatalf("Django: %d %+v, want %s", status, django, name)
	}
	if fmt.Sprint(ours.ID) != fmt.Sprint(django.ID) {
		b.t.Fatalf("ID %v at Cloakroom, %v at Django", ours.ID, django.ID)
	}
}

// isAnonymous checks that neither site takes the browser for a user's. Cloakroom is asked first, since Django deletes a
// session whose password has changed.
func (b *person) isAnonymous() {
	b.t.Helper()
	b.p.agree(b.t, func() string {
		if status := b.ours.Do(b.t, "GET", "/api/me", nil, nil); status != http.StatusUnauthorized {
			return fmt.Sprintf("Cloakroom: %d", status)
		}
		return ""
	})
	if status := b.django.Do(b.t, "GET", "/me", nil, nil); status != http.StatusForbidden {
		b.t.Fatalf("Django: %d", status)
	}
}

// key returns the session key in the browser's cookie.
func (b *person) key() string {
	b.t.Helper()
	r, err := http.NewRequest("GET", b.p.url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.ours.Client.Jar.Cookies(r.URL) {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	b.t.Fatal("no session cookie")
	return ""
}

// setKey puts a session key into the browser's cookie.
func (b *person) setKey(key string) {
	b.t.Helper()
	r, err := http.NewRequest("GET", b.p.url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.ours.Client.Jar.SetCookies(r.URL, []*http.Cookie{{Name: "sessionid", Value: key, Path: "/"}})
}

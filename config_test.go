package cloakroom_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/cloakroomtest"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestNumbersThatMakeNoSenseAreRefused: a negative retention would delete the whole audit log, and a time that was meant in seconds would
// end each session at once.
func TestNumbersThatMakeNoSenseAreRefused(t *testing.T) {
	for want, c := range map[string]cloakroom.Config{
		"Config.Idle is 3.6µs":                {Idle: 3600},
		"Config.Idle is -1s":                  {Idle: -time.Second},
		"Config.Lifetime is -1h0m0s":          {Lifetime: -time.Hour},
		"Config.Lifetime is 876001h0m0s":      {Lifetime: 876_001 * time.Hour},
		"Config.AuditRetention is -1ns":       {AuditRetention: -1},
		"Config.AuditRetention is 365ns":      {AuditRetention: 365},
		"Config.UpstreamTimeout is 30ns":      {UpstreamTimeout: 30},
		"Config.KnoxTTL is 10ns":              {KnoxTTL: 10},
		"Config.RedisMayLose is -1s":          {RedisMayLose: -time.Second},
		"Config.MaxSessions is -1":            {MaxSessions: -1},
		"Config.KnoxLimit is -1":              {KnoxLimit: -1},
		"Config.MemoryBytes is -1":            {MemoryBytes: -1},
		"Config.PasswordMinLength is 4":       {PasswordMinLength: 4},
		"Config.PasswordMinLength is 2000":    {PasswordMinLength: 2000},
		"Config.PasswordMinLength is -1":      {PasswordMinLength: -1},
		`Config.URL "https://:443" is not an`: {URL: "https://:443"},
		"Config.Stores replaces DB":           {Schema: "mine"},
		"":                                    {Idle: time.Second, Lifetime: time.Second, AuditRetention: time.Hour, KnoxTTL: -1, PasswordMinLength: 8},
	} {
		c.Data, c.Stores, c.Log = filepath.Join(t.TempDir(), "data"), &memory.New().Set, slog.New(slog.DiscardHandler)
		srv, err := cloakroom.New(t.Context(), c)
		if err == nil {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		}
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("New: %v; want %q", err, want)
		}
		if _, made := os.Stat(c.Data); err != nil && made == nil {
			t.Errorf("%s: New has made the data directory", want)
		}
	}
	_, err := cloakroom.New(t.Context(), cloakroom.Config{Data: t.TempDir(), Ping: func(context.Context) error { return nil }})
	if err == nil || !strings.HasPrefix(err.Error(), "Config.Ping is for Config.Stores alone") {
		t.Errorf("Ping without Stores: %v", err)
	}
}

// TestAnAddressOfAnotherProgramsFormMakesNoFile, such as one in the working directory, or in the root directory.
func TestAnAddressOfAnotherProgramsFormMakesNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, db := range []string{
		"sqlite::memory:", "sqlite://cloakroom.db", "sqlite:///cloakroom.db", "sqlite:file:cloakroom.db", "sqlite:", "cloakroom.db",
		"django+sqlite::memory:", "django+sqlite:///db.sqlite3",
	} {
		_, err := cloakroom.New(t.Context(), cloakroom.Config{DB: db, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "sqlite:PATH") {
			t.Errorf("New with the database %s: %v", db, err)
		}
	}
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("New made %v, %v", made, err)
	}
}

// TestASecondRunIsAnError: two would send each mail twice.
func TestASecondRunIsAnError(t *testing.T) {
	srv, _ := assembled(t, cloakroom.Config{Stores: &memory.New().Set})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second) // both end then, if none is refused
	defer stop()
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- srv.Run(ctx) }()
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "already") { // the other runs on
		t.Errorf("two Runs: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the first Run: %v", err)
	}
	again, end := context.WithCancel(t.Context())
	end()
	if err := srv.Run(again); err != nil {
		t.Errorf("a Run after the first: %v", err)
	}
}

// TestOwnHandlersAndTheAppGoTogether as docs/go.md shows it.
func TestOwnHandlersAndTheAppGoTogether(t *testing.T) {
	app := t.TempDir()
	if err := os.WriteFile(filepath.Join(app, "index.html"), []byte("the app"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log lines
	s := cloakroomtest.New(t, cloakroom.Config{
		App: app, Rules: []string{"signed-in /orders"}, AccessLog: true, Log: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	mux := http.NewServeMux()
	mux.Handle("/api/orders", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := auth.FromContext(r.Context())
		fmt.Fprint(w, "the orders of ", who.User.Username)
	})))
	mux.Handle("/", s.Server.Handler(nil))
	s.Handle(mux)
	ada := s.Client("ada")
	for _, c := range []struct {
		who          *http.Client
		method, path string
		want         string
	}{
		{s.Visitor(), "GET", "/", "200 the app"},
		{s.Visitor(), "GET", "/basket/7", "200 the app"},
		{s.Visitor(), "GET", "/orders", "401 "},
		{ada, "GET", "/orders", "200 the app"},
		{s.Visitor(), "GET", "/api/orders", "401 "},
		{ada, "GET", "/api/orders", "200 the orders of ada"},
		{ada, "POST", "/api/orders", "200 the orders of ada"},
		{ada, "GET", "/api/none", "404 "},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "200 the app" { // a browser that goes to a page
			r.Header.Set("Accept", "text/html")
		}
		answer, err := c.who.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if got := fmt.Sprint(answer.StatusCode, " ", string(body)); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: %s; want %s", c.method, c.path, got, c.want)
		}
		id, began := answer.Header.Get("X-Request-Id"), time.Now()
		for log.ofRequest(id) == 0 && time.Since(began) < time.Minute { // the line comes after the answer
			time.Sleep(time.Millisecond)
		}
		if n := log.ofRequest(id); n != 1 {
			t.Errorf("%s %s is logged %d times", c.method, c.path, n)
		}
	}
	if n := log.ofRequest(""); n != 9 { // and ada's sign-in
		t.Errorf("9 requests are logged %d times", n)
	}
}

// ofRequest returns how many lines about answered requests have this ID; "": any.
func (l *lines) ofRequest(id string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if line["msg"] == "request" && (id == "" || line["request_id"] == id) {
			n++
		}
	}
	return n
}

// TestARegistryIsFreeAfterCloseAndAfterAnError, so that a program can try again while its database is down.
func TestARegistryIsFreeAfterCloseAndAfterAnError(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := cloakroom.Config{Metrics: registry, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	down := c
	down.DB = "sqlite:" + t.TempDir() // a directory is no database
	first := func() error { _, err := cloakroom.New(t.Context(), down); return err }
	if one, two := first(), first(); one == nil || two == nil || one.Error() != two.Error() {
		t.Errorf("without a database: %v, and then %v", one, two)
	}
	for range 2 {
		srv, err := cloakroom.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		other := c
		other.Data = t.TempDir()
		if _, err := cloakroom.New(t.Context(), other); err == nil || !strings.Contains(err.Error(), "WrapRegistererWith") {
			t.Errorf("two servers in one registry: %v", err)
		}
		if got, err := registry.Gather(); err != nil || len(got) == 0 {
			t.Errorf("%d metrics, %v", len(got), err)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if left, err := registry.Gather(); err != nil || len(left) > 0 {
			t.Errorf("after Close: %v, %v", left, err)
		}
	}
}

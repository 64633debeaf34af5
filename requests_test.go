package cloakroom_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/prometheus/client_golang/prometheus"
)

// lines are the lines of a log, one value each.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			return 0, err
		}
		l.all = append(l.all, fields)
	}
	return len(p), nil
}

// wait returns the first line about a request for a path; its answer may have arrived before the line is written.
func (l *lines) wait(t *testing.T, method, path string) map[string]any {
	t.Helper()
	for range 6000 {
		l.mu.Lock()
		for _, line := range l.all {
			if line["msg"] == "request" && line["method"] == method && line["path"] == path {
				l.mu.Unlock()
				return line
			}
		}
		l.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no line about %s", path)
	return nil
}

// TestEachRequestIsCountedAndLogged by the route, whatever the path was.
func TestEachRequestIsCountedAndLogged(t *testing.T) {
	log, registry := &lines{}, prometheus.NewRegistry()
	srv, web := assembled(t, cloakroom.Config{Metrics: registry, AccessLog: true, Log: slog.New(slog.NewJSONHandler(log, nil))})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /app/hello", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	mux.HandleFunc("GET /app/file", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "f.txt", time.Time{}, strings.NewReader(strings.Repeat("x", 5000)))
	})
	mux.HandleFunc("GET /app/odd", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(799) })
	mux.HandleFunc("GET /app/silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /app/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("GET /app/socket", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
		conn.Close()
	})
	web.Config.Handler = srv.Handler(mux)
	web.Start()
	b := newBrowser(t, web.URL)
	b.signIn()
	next := b.events()
	for _, c := range []struct {
		method, path, route string
		status, bytes       float64
	}{
		{"GET", "/api/me", "/api/me", 200, -1},
		{"GET", "/api/me/", "/api/me", 200, -1},
		{"DELETE", "/api/auth/sessions/none", "/api/auth/sessions/{id}", 400, -1},
		{"GET", "/api/auth/login", "/api/auth/login", 405, -1},
		{"GET", "/api/auth/no-such-" + strings.Repeat("y", 300), "unknown", 404, -1},
		{"GET", "/signin", "pages", 200, -1},
		{"GET", "/app/hello", "application", 200, 5},
		{"HEAD", "/app/file", "application", 200, 0},
		{"GET", "/app/silent", "application", 200, 0},
		{"GET", "/app/odd", "application", 799, 0},
		{"BREW", "/app/none", "application", 404, -1},
	} {
		if got := b.send(c.method, c.path+"?secret=of+the+query", nil).StatusCode; float64(got) != c.status {
			t.Errorf("%s %s: %d, want %v", c.method, c.path, got, c.status)
		}
		path := c.path
		if len(path) > 150 {
			path = path[:150] + "…"
		}
		line := log.wait(t, c.method, path)
		if line["method"] != c.method || line["route"] != c.route || line["status"] != c.status || c.bytes >= 0 && line["bytes"] != c.bytes ||
			line["request_id"] == "" || line["source_ip"] != "127.0.0.1" || line["seconds"].(float64) < 0 {
			t.Errorf("%s %s is logged as %v", c.method, c.path, line)
		}
		if strings.Contains(fmt.Sprint(line), "secret=") {
			t.Errorf("the query is logged: %v", line)
		}
	}
	if got := b.send("GET", "/app/file", nil); got.ContentLength != 5000 {
		t.Errorf("the file has %d bytes", got.ContentLength)
	}
	raw(t, web.Listener.Addr().String(), "/app/cut")
	raw(t, web.Listener.Addr().String(), "/app/socket")
	if line := log.wait(t, "GET", "/app/cut"); line["status"] != 0.0 {
		t.Errorf("a connection that was cut is logged as %v", line)
	}
	if line := log.wait(t, "GET", "/app/socket"); line["status"] != 101.0 {
		t.Errorf("a connection that was taken over is logged as %v", line)
	}
	if got := b.send("POST", "/api/auth/logout", map[string]any{}).StatusCode; got != 200 {
		t.Errorf("sign-out: %d", got)
	}
	next("session.ended")
	if line := log.wait(t, "GET", "/api/auth/events"); line["status"] != 200.0 {
		t.Errorf("the stream is logged as %v", line)
	}

	want := map[string]float64{
		"/api/me GET 200": 2, "/api/auth/sessions/{id} DELETE 400": 1, "unknown GET 404": 1, "application GET other": 1, "application other 404": 1,
		"application GET cut": 1, "application GET 101": 1, "/api/auth/events GET 200": 1, "/api/auth/login POST 200": 1, "/api/auth/login GET 405": 1,
	}
	found := counted(t, registry, "cloakroom_requests_total", "route", "method", "status")
	for labels, n := range want {
		if found[labels] != n {
			t.Errorf("%q is counted %v times, want %v; all: %v", labels, found[labels], n, found)
		}
	}
	if timed := counted(t, registry, "cloakroom_request_seconds", "part"); timed["application"] < 7 || timed["pages"] != 1 || timed["api"] < 6 {
		t.Errorf("the times are of %v", timed)
	}
}

// raw sends a request and reads until the connection ends.
func raw(t *testing.T, address, path string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address)
	_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
}

// counted returns the counts of a family by the values of these labels.
func counted(t *testing.T, registry *prometheus.Registry, name string, labels ...string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			values := map[string]string{}
			for _, l := range m.GetLabel() {
				values[l.GetName()] = l.GetValue()
			}
			var key []string
			for _, l := range labels {
				key = append(key, values[l])
			}
			found[strings.Join(key, " ")] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return found
}

// TestSignInsAreCounted by how they were tried and what came of them.
func TestSignInsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	srv, web := assembled(t, cloakroom.Config{Metrics: registry})
	web.Config.Handler = srv.Handler(nil)
	web.Start()
	b := newBrowser(t, web.URL)
	b.signIn()
	for range 11 { // the account takes ten wrong passwords
		newBrowser(t, web.URL).send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": "wrong, and long enough"})
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", web.URL+"/api/auth/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Accounts.Create(t.Context(), account.NewUser{Username: "bob", Password: goodPassword}); err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("bob", goodPassword)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	found := counted(t, registry, "cloakroom_signins_total", "method", "outcome")
	for labels, n := range map[string]float64{"password success": 1, "password fail": 10, "password lock": 1, "basic success": 1} {
		if found[labels] != n {
			t.Errorf("%q is counted %v times, want %v; all: %v", labels, found[labels], n, found)
		}
	}
	if events := counted(t, registry, "cloakroom_events_total", "event"); events["authn_login_fail"] != 10 || events["session_created"] != 2 {
		t.Errorf("the events are %v", events)
	}
}

// TestATraceGoesOnToTheApplication unchanged, and log lines have its ID.
func TestATraceGoesOnToTheApplication(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	got := make(chan http.Header, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	t.Cleanup(app.Close)
	log := &lines{}
	srv, web := assembled(t, cloakroom.Config{
		Upstreams: []string{app.URL}, Rules: []string{"public /*"}, AccessLog: true, Log: slog.New(slog.NewJSONHandler(log, nil)),
	})
	web.Config.Handler = srv.Handler(nil)
	web.Start()
	r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/traced", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", parent)
	r.Header.Set("Tracestate", "vendor=1")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the application's answer is %s", answer.Status)
	}
	if h := <-got; h.Get("Traceparent") != parent || h.Get("Tracestate") != "vendor=1" {
		t.Errorf("the application gets %v", h)
	}
	if line := log.wait(t, "GET", "/traced"); line["trace_id"] != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the request is logged as %v", line)
	}
}

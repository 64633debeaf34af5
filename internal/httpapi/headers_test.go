package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
)

func TestEveryResponseHasTheProtectiveHeaders(t *testing.T) {
	t.Attr("threat", "H03")
	t.Attr("threat", "F08")
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Referrer-Policy":              "same-origin",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
	}
	for _, a := range everyAnswer(t) {
		for name, value := range want {
			if name == "Cross-Origin-Resource-Policy" && a.StatusCode == 200 && strings.HasPrefix(a.label, "GET /.well-known/webauthn ") {
				value = "cross-origin" // browsers read it for pages of other origins
			}
			if got := a.Header.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s: got %d with %s %q", a.label, a.StatusCode, name, got)
			}
		}
		kind := a.Header.Get("Content-Type")
		switch {
		case a.StatusCode == 204 && kind == "":
		case a.StatusCode == 303 && kind == "" && a.Header.Get("Location") != "":
		case a.StatusCode >= 400 && kind == "application/problem+json":
		case a.StatusCode == 200 && kind == "text/event-stream" && strings.HasPrefix(a.label, "GET /api/auth/events "):
		case a.StatusCode >= 400 && kind == "application/json" && isPlain(a.Request.URL.Path):
		case a.StatusCode == 200 && (kind == "application/json" || kind == "application/yaml; charset=utf-8"):
		default:
			t.Errorf("%s: got %d with Content-Type %q", a.label, a.StatusCode, kind)
		}
	}
}

// TestNoResponseIsCached, and no program on the way changes a stream of events: to compress it, it would keep it back.
func TestNoResponseIsCached(t *testing.T) {
	t.Attr("threat", "H06")
	for _, a := range everyAnswer(t) {
		want := "no-store"
		if a.Header.Get("Content-Type") == "text/event-stream" {
			want = "no-store, no-transform"
		}
		if got := a.Header.Values("Cache-Control"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %d with Cache-Control %q", a.label, a.StatusCode, got)
		}
		if !slices.Contains(a.Header.Values("Vary"), "Cookie") {
			t.Errorf("%s: got %d with Vary %q", a.label, a.StatusCode, a.Header.Values("Vary"))
		}
	}
}

func TestEveryHTTPSResponseHasHSTS(t *testing.T) {
	t.Attr("threat", "H01")
	const hsts = "max-age=31536000; includeSubDomains"
	for _, a := range provoke(t, options{tls: true, subDomains: true}) {
		if got := a.Header.Values("Strict-Transport-Security"); len(got) != 1 || got[0] != hsts {
			t.Errorf("%s: got %d with Strict-Transport-Security %q", a.label, a.StatusCode, got)
		}
	}
}

// TestEveryRefusalSaysWhatToDo: it has a code, a sentence, and the ID by which the operator finds it in the log. A 401 has a scheme
// for which no browser opens a password dialog; 429 and 503 have a Retry-After.
func TestEveryRefusalSaysWhatToDo(t *testing.T) {
	names := map[string]bool{}
	for _, a := range everyAnswer(t) {
		id := a.Header.Get("X-Request-Id")
		if id == "" || names[id] {
			t.Errorf("%s: the request ID is %q", a.label, id)
		}
		names[id] = true
		if a.StatusCode < 400 {
			continue
		}
		if isPlain(a.Request.URL.Path) && a.Header.Get("Content-Type") == "application/json" {
			if a.StatusCode == 401 && !slices.Contains([]string{"Session", "Token"}, a.Header.Get("WWW-Authenticate")) || len(a.body) < 3 {
				t.Errorf("%s: got %d %s", a.label, a.StatusCode, a.body)
			}
			continue
		}
		if a.code() == "" || a.field("detail") == "" || a.field("request_id") != id || a.field("status") != float64(a.StatusCode) ||
			a.field("title") != http.StatusText(a.StatusCode) || a.field("type") != "about:blank" {
			t.Errorf("%s: got %d %s", a.label, a.StatusCode, a.body)
		}
		if wait := a.Header.Get("Retry-After"); (wait != "") != (a.StatusCode == 503 || a.StatusCode == 429) {
			t.Errorf("%s: got %d with Retry-After %q", a.label, a.StatusCode, wait)
		}
		if got := a.Header.Get("WWW-Authenticate"); (got == "Session") != (a.StatusCode == 401) || a.StatusCode != 401 && got != "" {
			t.Errorf("%s: got %d with WWW-Authenticate %q", a.label, a.StatusCode, got)
		}
	}
}

// TestOutagesAndPanicsAreAnsweredAndLogged: the response is 503 or 500 and reveals nothing internal. No request is let in, and no
// cookie is deleted.
func TestOutagesAndPanicsAreAnsweredAndLogged(t *testing.T) {
	t.Attr("threat", "L04")
	for name, want := range map[string]struct {
		stores func(*testing.T) stores
		status int
		code   string
		logged string
	}{
		"outage": {noStores, 503, "unavailable", `"msg":"unavailable"`},
		"crash":  {crashing, 500, "server_error", `"msg":"sys_crash"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{stores: want.stores, next: appBehind(t)})
			c := s.client().hold(anyTicket())
			for _, path := range []string{"/api/me", "/api/auth/sessions", "/api/auth/csrf"} {
				r := c.send("GET", path, nil)
				if !isProblem(r, want.status, want.code) || len(r.Cookies()) > 0 {
					t.Errorf("%s: got %d %s, cookies %v", path, r.StatusCode, r.body, r.Cookies())
				}
				for _, inside := range []string{"goroutine", ".go:", "storetest", "nil pointer", "asked for it"} {
					if bytes.Contains(r.body, []byte(inside)) {
						t.Errorf("%s: the response has internal details: %s", path, r.body)
					}
				}
				if id := r.Header.Get("X-Request-Id"); !s.logged(want.logged, id) {
					t.Errorf("%s: the log has no line with %s and %s", path, want.logged, id)
				}
			}
			for range 3 { // the process goes on
				if r := c.send("GET", "/healthz", nil); r.StatusCode != 200 {
					t.Errorf("/healthz: got %d", r.StatusCode)
				}
			}
		})
	}
}

// logged reports whether one line of the log contains all of the texts.
func (s *server) logged(texts ...string) bool {
	for line := range strings.Lines(s.log.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return true
		}
	}
	return false
}

// TestAPanicOfTheAppClosesTheConnection: a partial response must not look complete.
func TestAPanicOfTheAppClosesTheConnection(t *testing.T) {
	t.Attr("threat", "L04")
	s := start(t, options{next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("half an answer ", 1000)) // the client reads it below
		panic("the app's defect")
	})})
	r, err := s.Client().Get(s.URL + "/api/orders")
	if err == nil {
		defer r.Body.Close()
		var body []byte
		if body, err = io.ReadAll(r.Body); err == nil {
			t.Errorf("got %d with %d bytes that look complete, and end with %q", r.StatusCode, len(body), body[len(body)-50:])
		}
	}
	if !s.logged(`"msg":"sys_crash"`, "the app's defect") {
		t.Error("the panic was not logged")
	}
	if r := s.client().send("GET", "/healthz", nil); r.StatusCode != 200 {
		t.Errorf("/healthz: got %d", r.StatusCode)
	}
}

// TestAPanicSetsNoCookies: cookies that were to be set before the panic aren't in the response to it.
func TestAPanicSetsNoCookies(t *testing.T) {
	t.Attr("threat", "L04")
	s := start(t, options{change: func(api *httpapi.API) {
		api.Sessions.Audit = &audit.Log{Text: slog.New(panickingLog{api.Log.Handler()})}
	}})
	s.user("ada")
	c := s.client()
	if r := c.login("ada", goodPassword); !isProblem(r, 500, "server_error") || len(r.Cookies()) > 0 || c.ticket() != "" {
		t.Errorf("got %d %s %v", r.StatusCode, r.body, r.Cookies())
	}
}

// panickingLog is a log handler that panics on the event of a new session, when its cookie is set already.
type panickingLog struct{ slog.Handler }

func (b panickingLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "session_created" {
		panic("the log's defect")
	}
	return b.Handler.Handle(ctx, r)
}

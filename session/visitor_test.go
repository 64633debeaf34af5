package session_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// visitor is a browser: it keeps the session cookie that it was given and sends it with every request. It checks that each
// answer keeps the rules for all answers.
type visitor struct {
	t      testing.TB
	m      *session.Manager
	cookie string // "name=ticket", or whatever else the test puts there
}

func newManager() *session.Manager { return &session.Manager{Store: memory.New().Sessions} }

// serve sends a request through the Manager to handle, and returns the answer.
func (v *visitor) serve(handle http.HandlerFunc) *http.Response {
	v.t.Helper()
	return v.send(httptest.NewRequest("POST", "/", nil), handle)
}

func (v *visitor) send(r *http.Request, handle http.HandlerFunc) *http.Response {
	v.t.Helper()
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	w := &strictWriter{ResponseRecorder: httptest.NewRecorder()}
	v.m.Handler(handle).ServeHTTP(w, r)
	w.check(v.t)
	answer := w.Result()
	for _, c := range answer.Cookies() {
		switch {
		case c.MaxAge < 0:
			v.cookie = ""
		default:
			v.cookie = c.Name + "=" + c.Value
		}
	}
	return answer
}

func (v *visitor) ticket() string {
	_, ticket, _ := strings.Cut(v.cookie, "=")
	return ticket
}

// signIn signs in as the user, under the epoch "1" unless in says otherwise.
func (v *visitor) signIn(in session.SignIn) *session.Session {
	v.t.Helper()
	if in.Epoch == "" {
		in.Epoch = "1"
	}
	var s *session.Session
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if s, err = v.m.SignIn(w, r, in); err != nil {
			v.t.Fatalf("sign in: %v", err)
		}
	})
	return s
}

// look returns the live session, or nil. A second call in the same request must return the same.
func (v *visitor) look() (s *session.Session, err error) {
	v.t.Helper()
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		s, err = session.FromContext(r.Context())
		if again, _ := session.FromContext(r.Context()); err == nil && again != s {
			v.t.Errorf("the second look found %v, the first %v", again, s)
		}
	})
	return s, err
}

// poll looks with ?slide=false.
func (v *visitor) poll() (s *session.Session, err error) {
	v.send(httptest.NewRequest("GET", "/?slide=false", nil), func(_ http.ResponseWriter, r *http.Request) {
		s, err = session.FromContext(r.Context())
	})
	return s, err
}

// alive reports whether the visitor is signed in; an error ends the test.
func (v *visitor) alive() bool {
	v.t.Helper()
	s, err := v.look()
	if err != nil {
		v.t.Fatalf("check: %v", err)
	}
	return s != nil
}

// ended returns a session that the visitor's manager has ended, and leaves nothing in the store.
func (v *visitor) ended() *session.Session {
	v.t.Helper()
	guest := &visitor{t: v.t, m: v.m}
	s := guest.signIn(session.SignIn{User: "guest"})
	if _, err := guest.signOut(); err != nil {
		v.t.Fatal(err)
	}
	return s
}

func (v *visitor) reauthenticate(epoch string) (s *session.Session, err error) {
	v.serve(func(w http.ResponseWriter, r *http.Request) {
		s, err = v.m.Reauthenticate(w, r, session.Reauthentication{Epoch: epoch})
	})
	return s, err
}

func (v *visitor) signOut() (answer *http.Response, err error) {
	answer = v.serve(func(w http.ResponseWriter, r *http.Request) { err = v.m.SignOut(w, r) })
	return answer, err
}

// strictWriter keeps the header as it was sent, so that a later change, which would be lost, is noticed.
type strictWriter struct {
	*httptest.ResponseRecorder
	sent http.Header
}

func (w *strictWriter) WriteHeader(status int) {
	if w.sent == nil {
		w.sent = w.Header().Clone()
	}
	w.ResponseRecorder.WriteHeader(status)
}

func (w *strictWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.ResponseRecorder.Write(b)
}

// check holds the answer to the rules for all answers: no header after it was sent; no caching of an answer with a cookie;
// the ticket only in the cookie.
func (w *strictWriter) check(t testing.TB) {
	t.Helper()
	if w.sent != nil && !maps.EqualFunc(w.sent, w.Header(), slices.Equal) {
		t.Errorf("headers were set after they had been sent: %v, sent %v", w.Header(), w.sent)
	}
	cookies := w.Result().Cookies()
	if len(cookies) == 0 {
		return
	}
	h := w.Header()
	if h.Get("Cache-Control") != "no-store" || !slices.Contains(h.Values("Vary"), "Cookie") {
		t.Errorf("an answer with a cookie may be cached: %v", h)
	}
	elsewhere := h.Clone()
	elsewhere.Del("Set-Cookie")
	for _, c := range cookies {
		if c.Value != "" && strings.Contains(fmt.Sprint(elsewhere)+w.Body.String(), c.Value) {
			t.Errorf("the ticket is in the answer outside its cookie: %v %s", h, w.Body)
		}
	}
}

// rows returns everything in the store.
func rows(t testing.TB, store session.Store) []*session.Record {
	t.Helper()
	all, err := store.List(t.Context(), session.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// tellsNothingOf fails the test if a text holds the ticket, or its secret, in a usual encoding.
func tellsNothingOf(t testing.TB, ticket, where, text string) {
	t.Helper()
	secret, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil || len(secret) != 32 {
		t.Fatalf("%q is no ticket", ticket)
	}
	for _, form := range []string{ticket, string(secret), fmt.Sprintf("%x", secret), fmt.Sprint(secret), base64.StdEncoding.EncodeToString(secret)} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the ticket: %s", where, text)
		}
	}
}

// render returns everything that can be printed of a value.
func render(v any) string { return fmt.Sprintf("%v %+v %#v %s", v, v, v, v) }

// logTo makes the Manager log into a buffer.
func logTo(m *session.Manager) *bytes.Buffer {
	var b bytes.Buffer
	m.Log = slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m.Audit = &audit.Log{Text: m.Log}
	return &b
}

package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

// said returns the text that a call panics with, or else the error that it returns.
func said(call func() error) (text string, panicked bool) {
	defer func() {
		if v := recover(); v != nil {
			text, panicked = fmt.Sprint(v), true
		}
	}()
	return fmt.Sprint(call()), false
}

func TestAManagerRefusesACookieThatNoBrowserKeeps(t *testing.T) {
	t.Attr("threat", "K10")
	store := memory.New().Sessions
	for want, m := range map[string]*session.Manager{
		"without https":         {Store: store, InsecureHTTP: true, CookieName: "__Host-sid"},
		"allows no domain":      {Store: store, CookieDomain: "example.com"},
		"only the path /":       {Store: store, CookiePath: "/app"},
		"SameSite=None":         {Store: store, InsecureHTTP: true, SameSite: http.SameSiteNoneMode},
		"public suffix":         {Store: store, CookieName: "sid", CookieDomain: "co.uk"},
		"name of a cookie":      {Store: store, CookieName: "a b"},
		"the path of a cookie":  {Store: store, CookieName: "sid", CookiePath: "app"},
		"domain of a cookie: a": {Store: store, CookieName: "sid", CookieDomain: "exa mple.com"},
	} {
		text, panicked := said(func() error { m.Handler(http.NotFoundHandler()); return nil })
		if !panicked || !strings.Contains(text, want) {
			t.Errorf("Handler says %q, want %q", text, want)
		}
		text, _ = said(func() error {
			w := httptest.NewRecorder()
			_, err := m.SignIn(w, httptest.NewRequest("POST", "/", nil), session.SignIn{User: "1"})
			if w.Header().Get("Set-Cookie") != "" {
				t.Error("the cookie is set")
			}
			return err
		})
		if !strings.Contains(text, want) {
			t.Errorf("SignIn says %q, want %q", text, want)
		}
	}
	if rows := rows(t, store); len(rows) != 0 {
		t.Errorf("there are %d sessions", len(rows))
	}
}

func TestAManagerWithoutAStoreSaysSo(t *testing.T) {
	m := &session.Manager{}
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
	for name, call := range map[string]func() error{
		"Handler":  func() error { m.Handler(http.NotFoundHandler()); return nil },
		"Validate": m.CheckConfig,
		"SignIn":   func() error { _, err := m.SignIn(w, r, session.SignIn{User: "1"}); return err },
		"SignOut":  func() error { return m.SignOut(w, r) },
		"Revoke":   func() error { return m.Revoke(t.Context(), "1", "id") },
		"RevokeAll": func() error {
			_, err := m.RevokeAll(t.Context(), "1", nil)
			return err
		},
		"List": func() error { _, err := m.List(t.Context(), "1"); return err },
		"Page": func() error { _, _, err := m.Page(t.Context(), "", 1); return err },
		"Find": func() error { _, err := m.Find(t.Context(), "id"); return err },
		"Update": func() error {
			_, err := m.Update(t.Context(), &session.Session{}, func(session.Values) error { return nil })
			return err
		},
		"Run": func() error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return m.Run(ctx)
		},
	} {
		if text, _ := said(call); !strings.Contains(text, "Manager.Store is nil") {
			t.Errorf("%s says %q", name, text)
		}
	}
}

func TestObserversAreCalledLikeOnEndAndOnCheck(t *testing.T) {
	m := newManager()
	var heard []string
	m.Observe(func(e session.EndEvent) { heard = append(heard, "observer "+e.Reason) }, func(result string, stored bool) { heard = append(heard, "observer "+result) })
	m.Observe(nil, nil)
	m.OnEnd = func(e session.EndEvent) { heard = append(heard, "field "+e.Reason) } // set later, and takes nothing away
	m.OnCheck = func(result string, stored bool) { heard = append(heard, "field "+result) }
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	if !ann.alive() {
		t.Fatal("not signed in")
	}
	m.OnCheck = nil
	if !ann.alive() {
		t.Fatal("not signed in")
	}
	if _, err := ann.signOut(); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(heard, ", "), "field live, observer live, observer live, field signed_out, observer signed_out"; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

// TestLimitsThatEndEachSessionAtOnceAreRefused, such as a number that was meant in seconds.
func TestLimitsThatEndEachSessionAtOnceAreRefused(t *testing.T) {
	for want, set := range map[string]func(*session.Manager){
		"session: Manager.Idle is 3.6µs":           func(m *session.Manager) { m.Idle = 3600 },
		"session: Manager.Lifetime is -1s":         func(m *session.Manager) { m.Lifetime = -time.Second },
		"session: Manager.BrowserIdle is 999ms":    func(m *session.Manager) { m.BrowserIdle = 999 * time.Millisecond },
		"session: Manager.BrowserLifetime is -1ns": func(m *session.Manager) { m.BrowserLifetime = -1 },
		"session: Manager.MaxSessions is -1":       func(m *session.Manager) { m.MaxSessions = -1 },
	} {
		m := newManager()
		set(m)
		if err := m.CheckConfig(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("CheckConfig: %v; want %q", err, want)
		}
	}
}

// TestASessionMadeByHandCannotBeUpdated, as tests of a handler alone have one.
func TestASessionMadeByHandCannotBeUpdated(t *testing.T) {
	m := newManager()
	for _, s := range []*session.Session{nil, {ID: "s", User: "1"}} {
		if _, err := m.Update(t.Context(), s, func(session.Values) error { return nil }); err == nil {
			t.Errorf("Update took %+v", s)
		}
	}
}

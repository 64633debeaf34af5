package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// phone is a program that keeps the ticket of the answers' header.
type phone struct {
	t      testing.TB
	m      *session.Manager
	ticket string
	cookie string // sent along, if any
}

func newPhone(t testing.TB) *phone {
	m := newManager()
	m.AppTokens = true
	return &phone{t: t, m: m}
}

func (p *phone) serve(handle http.HandlerFunc) *http.Response {
	p.t.Helper()
	r := httptest.NewRequest("POST", "/", nil)
	if p.ticket != "" {
		r.Header.Set("X-Session-Token", p.ticket)
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", p.cookie)
	}
	w := httptest.NewRecorder()
	p.m.Handler(handle).ServeHTTP(w, r)
	answer := w.Result()
	if len(answer.Cookies()) > 0 {
		p.t.Errorf("a program is given cookies: %v", answer.Cookies())
	}
	if ticket := answer.Header.Get("X-Session-Token"); ticket != "" {
		if answer.Header.Get("Cache-Control") != "no-store" {
			p.t.Error("the answer with a ticket may be stored")
		}
		p.ticket = ticket
	}
	return answer
}

func (p *phone) signIn(in session.SignIn) *session.Session {
	p.t.Helper()
	in.App, in.Epoch = true, "1"
	var s *session.Session
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if s, err = p.m.SignIn(w, r, in); err != nil {
			p.t.Fatal(err)
		}
	})
	return s
}

func (p *phone) alive() (live bool) {
	p.t.Helper()
	p.serve(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		live = s != nil
	})
	return live
}

func TestAnAppTokenIsASessionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t)
		p.m.Idle, p.m.Lifetime = time.Hour, 3*time.Hour
		s := p.signIn(session.SignIn{User: "1", Method: "app", Fresh: true})
		if !strings.HasPrefix(p.ticket, "cloak_app_") || len(p.ticket) != len("cloak_app_")+43 || !p.alive() {
			t.Fatalf("%q", p.ticket)
		}
		all, err := p.m.List(t.Context(), "1")
		if err != nil || len(all) != 1 || all[0].ID != s.ID || all[0].Method != "app" {
			t.Errorf("listed as %+v, %v", all, err)
		}
		for range 3 { // it slides
			time.Sleep(50 * time.Minute)
			if !p.alive() {
				t.Fatal("used within the idle time, and ended")
			}
		}
		time.Sleep(30 * time.Minute)
		if p.alive() {
			t.Error("it outlives its lifetime")
		}
		p.signIn(session.SignIn{User: "1"})
		time.Sleep(time.Hour)
		if p.alive() {
			t.Error("it outlives its idle time")
		}
	})
}

func TestAnAppTokenRotatesAndEndsLikeASession(t *testing.T) {
	p := newPhone(t)
	s := p.signIn(session.SignIn{User: "1"})
	old := *p
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		if _, err := p.m.Reauthenticate(w, r, session.Reauthentication{Epoch: "1"}); err != nil {
			t.Fatal(err)
		}
	})
	if p.ticket == old.ticket || !p.alive() || old.alive() {
		t.Error("no rotation")
	}
	if err := p.m.Revoke(t.Context(), "1", s.ID); err != nil || p.alive() {
		t.Errorf("revoked: %v", err)
	}
	p.signIn(session.SignIn{User: "1"})
	answer := p.serve(func(w http.ResponseWriter, r *http.Request) {
		if err := p.m.SignOut(w, r); err != nil {
			t.Fatal(err)
		}
	})
	if p.alive() || len(answer.Header.Values("Set-Cookie")) > 0 {
		t.Error("signed out, and alive")
	}
	p.signIn(session.SignIn{User: "1"})
	if _, err := p.m.RevokeAll(t.Context(), "1", nil); err != nil || p.alive() {
		t.Errorf("all ended: %v", err)
	}
}

// TestTicketsAreNotInterchangeable holds that an app's ticket doesn't count in the cookie, nor a cookie's ticket in the
// header, with or without the prefix.
func TestTicketsAreNotInterchangeable(t *testing.T) {
	t.Attr("threat", "S07")
	p := newPhone(t)
	p.signIn(session.SignIn{User: "1"})
	browser := &visitor{t: t, m: p.m}
	browser.signIn(session.SignIn{User: "1"})
	bare := strings.TrimPrefix(p.ticket, "cloak_app_")
	for _, ticket := range []string{p.ticket, bare} {
		if (&visitor{t: t, m: p.m, cookie: session.CookieName + "=" + ticket}).alive() {
			t.Errorf("the app's ticket counts as a cookie")
		}
	}
	for _, ticket := range []string{browser.ticket(), "cloak_app_" + browser.ticket(), bare, strings.ToUpper(p.ticket), p.ticket + " ", ""} {
		if (&phone{t: t, m: p.m, ticket: ticket}).alive() {
			t.Errorf("%q counts in the header", ticket)
		}
	}
	if !p.alive() || !browser.alive() {
		t.Error("in their own places they don't count")
	}
}

// TestARequestWithTheHeaderIsJudgedByItAlone holds that the cookies of such a request don't count, not even for a sign-out.
func TestARequestWithTheHeaderIsJudgedByItAlone(t *testing.T) {
	p := newPhone(t)
	browser := &visitor{t: t, m: p.m}
	browser.signIn(session.SignIn{User: "1"})
	for ticket, want := range map[string]error{"nonsense": session.ErrNotATicket, "cloak_app_" + unknownTicket: nil} {
		other := &phone{t: t, m: p.m, ticket: ticket, cookie: browser.cookie}
		if other.alive() {
			t.Errorf("%q: the cookie counts", ticket)
		}
		other.serve(func(w http.ResponseWriter, r *http.Request) {
			if !session.RequestFrom(r.Context()).UsesTokenHeader() {
				t.Error("FromApp is false for a request with the header")
			}
			if err := p.m.SignOut(w, r); !errors.Is(err, want) {
				t.Errorf("%q: sign out: %v, want %v", ticket, err, want)
			}
		})
	}
	r := httptest.NewRequest("GET", "/", nil)
	p.signIn(session.SignIn{User: "1"})
	r.Header["X-Session-Token"] = []string{p.ticket, p.ticket}
	p.m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.FromContext(r.Context()); s != nil || err != nil {
			t.Errorf("two headers: %v, %v", s, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !browser.alive() {
		t.Error("the sign-out of an app ended the browser's session")
	}
}

func TestWithoutAppTokensTheHeaderIsNothing(t *testing.T) {
	p := newPhone(t)
	p.signIn(session.SignIn{User: "1"})
	p.m = &session.Manager{Store: p.m.Store}
	if p.alive() {
		t.Error("it counts")
	}
	browser := &visitor{t: t, m: p.m}
	browser.signIn(session.SignIn{User: "1"})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Session-Token", "x")
	browser.send(r, func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.FromContext(r.Context()); s == nil || err != nil || session.RequestFrom(r.Context()).UsesTokenHeader() {
			t.Errorf("the cookie beside it: %v, %v", s, err)
		}
	})
	browser.serve(func(w http.ResponseWriter, r *http.Request) {
		if _, err := p.m.SignIn(w, r, session.SignIn{User: "1", App: true}); err == nil {
			t.Error("a ticket for an app is issued")
		}
	})
}

// TestASkippedRequestHasNoSession holds that a request with another credential has no session, and that its cookie stays as
// it is.
func TestASkippedRequestHasNoSession(t *testing.T) {
	m := newManager()
	m.Skip = func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", "Token x")
	v.send(r, func(w http.ResponseWriter, r *http.Request) {
		if s, err := session.FromContext(r.Context()); s != nil || err != nil || session.RequestFrom(r.Context()).HasTicket() {
			t.Errorf("%v, %v", s, err)
		}
		if err := m.SignOut(httptest.NewRecorder(), r); err != nil {
			t.Error(err)
		}
	})
	if !v.alive() {
		t.Error("a sign-out by another credential ended the session")
	}
}

// TestASignInByAnotherCredentialTakesThePlaceOfTheCookie holds that such a sign-in ends the session of the cookie, which the
// browser won't send again.
func TestASignInByAnotherCredentialTakesThePlaceOfTheCookie(t *testing.T) {
	m := newManager()
	m.Skip = func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }
	v := &visitor{t: t, m: m}
	v.signIn(session.SignIn{User: "1"})
	old := &visitor{t: t, m: m, cookie: v.cookie}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", "Bearer x")
	v.send(r, func(w http.ResponseWriter, r *http.Request) {
		if _, err := m.SignIn(w, r, session.SignIn{User: "1", Epoch: "1"}); err != nil {
			t.Error(err)
		}
	})
	if !v.alive() || old.alive() {
		t.Error("the session of the cookie is left behind")
	}
}

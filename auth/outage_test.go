package auth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/session"
)

func TestL04_AnOutageIsA503AndNobodyGetsIn(t *testing.T) {
	for name, fail := range map[string]func(a *app, down bool){
		"sessions": func() func(a *app, down bool) {
			var inner session.Store
			return func(a *app, isDown bool) {
				if isDown {
					inner, a.sessions.Store = a.sessions.Store, down{a.sessions.Store}
				} else {
					a.sessions.Store = inner
				}
			}
		}(),
		"accounts": func(a *app, isDown bool) {
			a.accounts.err = nil
			if isDown {
				a.accounts.err = errOutage
			}
		},
	} {
		a := newApp(t)
		ann := a.user(account.User{Username: "ann", IsSuperuser: true})
		cookie := a.signIn(ann, session.SignIn{Fresh: true})
		fail(a, true)
		for guarded, guard := range map[string]func(http.Handler) http.Handler{
			"Require": auth.Require, "RequireFresh": auth.RequireFresh, "RequirePermission": auth.RequirePermission("app.read"),
		} {
			if got := a.outcome(cookie, guard); got != "unavailable" {
				t.Errorf("%s are down: %s answers %s", name, guarded, got)
			}
			w := a.serve(cookie, guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody got in") })))
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" || w.Header().Get("Cache-Control") != "no-store" ||
				w.Header().Get("Set-Cookie") != "" || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%s are down: %d %v", name, w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), errOutage.Error()) {
				t.Errorf("the answer tells of the inside: %s", w.Body)
			}
		}
		if !strings.Contains(a.log.String(), errOutage.Error()) {
			t.Errorf("%s are down, and the log doesn't say so: %s", name, a.log)
		}
		if got := a.outcome("", auth.Require); got != "not_authenticated" {
			t.Errorf("%s are down: without a ticket: %s", name, got)
		}
		fail(a, false)
		if got := a.outcome(cookie, auth.RequireFresh); got != "in" {
			t.Errorf("%s are back: %s", name, got)
		}
	}
}

func TestAClientThatWentAwayIsNoOutage(t *testing.T) {
	a := newApp(t)
	cookie := a.signIn(a.user(account.User{Username: "ann"}), session.SignIn{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	a.resolver.Handler(auth.Require(http.NotFoundHandler())).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || strings.Contains(a.log.String(), "unavailable") {
		t.Errorf("%d, log: %s", w.Code, a.log)
	}
}

// TestJ1_EveryAnswerIsAboutTheOneWhoAsked lets 500 people ask at once, while some requests are cancelled and some panic.
func TestJ1_EveryAnswerIsAboutTheOneWhoAsked(t *testing.T) {
	a := newApp(t)
	a.sessions.Log = nil
	const people = 500
	cookies := make([]string, people)
	for i := range cookies {
		cookies[i] = a.signIn(a.user(account.User{Username: fmt.Sprint("user", i), Email: fmt.Sprintf("%d@example.com", i)}), session.SignIn{})
	}
	page := auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := auth.FromContext(r.Context())
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "%s %s %s", i.User.Username, i.User.Email, i.Session.User)
	}))
	handler := a.resolver.Handler(page)
	var group sync.WaitGroup
	for i, cookie := range cookies {
		group.Go(func() {
			want := fmt.Sprintf("user%d %d@example.com %d", i, i, i+1)
			for range 20 {
				ask(t, handler, cookie, want)
			}
		})
	}
	group.Wait()
}

func ask(t *testing.T, handler http.Handler, cookie, want string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	path, kind := "/", rand.IntN(10)
	switch kind {
	case 0:
		path = "/panic"
	case 1:
		cancel()
	case 2:
		go cancel()
	}
	r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				panic(p)
			}
		}()
		handler.ServeHTTP(w, r)
	}()
	switch {
	case w.Code == http.StatusOK && (w.Body.String() == want || kind == 0 && w.Body.Len() == 0):
	case w.Code == http.StatusServiceUnavailable && (kind == 1 || kind == 2):
	default:
		t.Errorf("%d %q, want %q", w.Code, w.Body, want)
	}
}

package auth_test

import (
	"context"
	"errors"
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

func TestAnOutageIsA503AndLetsNoRequestIn(t *testing.T) {
	t.Attr("threat", "L04")
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
			w := a.serve(cookie, guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was passed on") })))
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

// TestEveryAnswerIsAboutTheUserOfItsRequest sends the requests of 500 users at once. Some requests are cancelled, and some
// panic.
func TestEveryAnswerIsAboutTheUserOfItsRequest(t *testing.T) {
	t.Attr("threat", "J1")
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

func TestAnOutageMentionsASessionOnlyIfTheRequestHasATicket(t *testing.T) {
	a := newApp(t)
	cookie := a.signIn(a.user(account.User{Username: "ann"}), session.SignIn{})
	a.sessions.Store = down{a.sessions.Store}
	guard := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			auth.WriteError(w, r, errOutage)
		})
	}
	for name, c := range map[string]struct {
		cookie  string
		session bool
	}{
		"a stranger": {"", false}, "another cookie": {"theme=dark", false}, "garbage": {session.CookieName + "=garbage", false}, "a ticket": {cookie, true},
	} {
		said := a.serve(c.cookie, guard(nil)).Body.String()
		if strings.Contains(said, "If you were signed in, you still are") != c.session || strings.Contains(said, "signed in") != c.session {
			t.Errorf("%s is told %q", name, said)
		}
	}
	if said := a.serve(cookie, auth.Require(http.NotFoundHandler())).Body.String(); !strings.Contains(said, "If you were signed in, you still are") {
		t.Errorf("Require tells %s", said)
	}
}

// TestAHandlerInTheWrongPlaceIsNoOutage checks that a mistake in the program is reported at once, and not as an outage that
// could be retried.
func TestAHandlerInTheWrongPlaceIsNoOutage(t *testing.T) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request was passed on") })
	for name, h := range map[string]http.Handler{
		"Require": auth.Require(nothing), "RequireFresh": auth.RequireFresh(nothing), "RequirePermission": auth.RequirePermission("app.read")(nothing),
		"RequireScope": auth.RequireScope("app.read")(nothing),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusInternalServerError || w.Header().Get("Retry-After") != "" || !strings.Contains(w.Body.String(), `"no_handler"`) ||
			!strings.Contains(w.Body.String(), "did not pass Cloakroom's Handler") {
			t.Errorf("%s: %d %v %s", name, w.Code, w.Header(), w.Body)
		}
	}
	if who, err := auth.FromContext(t.Context()); who != nil || !errors.Is(err, auth.ErrNoHandler) {
		t.Errorf("%v, %v", who, err)
	}
	if s, err := session.FromContext(t.Context()); s != nil || !errors.Is(err, session.ErrNoHandler) {
		t.Errorf("%v, %v", s, err)
	}
}

func TestAResolverWithoutWhatItNeedsSaysSo(t *testing.T) {
	for want, call := range map[string]func(){
		"needs the sessions and the accounts": func() { auth.New(auth.Config{Sessions: &session.Manager{}}) },
		"needs the sessions":                  func() { auth.New(auth.Config{Accounts: &accounts{}}) },
		"Manager.Store is nil": func() {
			auth.New(auth.Config{Sessions: &session.Manager{}, Accounts: &accounts{}}).Handler(http.NotFoundHandler())
		},
	} {
		func() {
			defer func() {
				if v := recover(); !strings.Contains(fmt.Sprint(v), want) {
					t.Errorf("it says %v, want %q", v, want)
				}
			}()
			call()
		}()
	}
}

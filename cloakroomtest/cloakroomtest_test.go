package cloakroomtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/cloakroomtest"
	"github.com/cloakroom-auth/cloakroom/session"
)

// shop is a program's own handler.
func shop() http.Handler {
	mux := http.NewServeMux()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := auth.FromContext(r.Context())
		fmt.Fprint(w, "hello, ", who.User.Username)
	})
	mux.Handle("GET /hello", auth.Require(hello))
	mux.Handle("GET /orders", auth.RequirePermission("shop.view_order")(hello))
	mux.Handle("POST /orders", auth.RequireFresh(hello))
	mux.Handle("GET /payroll", auth.RequireSecondFactor(hello))
	mux.HandleFunc("GET /own", func(w http.ResponseWriter, r *http.Request) {
		auth.WriteError(w, r, &auth.Refusal{Status: http.StatusConflict, Code: "sold_out", Detail: "There is none left."})
	})
	return mux
}

// get returns the status and the body of an answer; of a problem its code.
func get(t *testing.T, c *http.Client, method, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var problem struct{ Code string }
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(body, &problem) == nil {
		body = []byte(problem.Code)
	}
	return fmt.Sprint(answer.StatusCode, " ", string(body))
}

func TestClientsAreSignedInWithTheirPermissions(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := cloakroomtest.New(t, cloakroom.Config{StrictCSRF: strict})
		ada := s.Client("ada")
		if got := get(t, ada, "GET", s.URL+"/hello"); !strings.HasPrefix(got, "404 ") {
			t.Errorf("before there is a handler: %s", got)
		}
		s.Handle(shop())
		grace := s.Client("grace", "shop.view_order")
		old := s.SignIn(session.SignIn{User: s.User("ada").ID})
		second := s.SignIn(session.SignIn{User: s.User("ada").ID, Fresh: true, Second: true})
		for _, c := range []struct {
			who        *http.Client
			method, at string
			want       string
		}{
			{s.Visitor(), "GET", "/hello", "401 not_authenticated"},
			{ada, "GET", "/hello", "200 hello, ada"},
			{ada, "GET", "/orders", "403 permission_denied"},
			{grace, "GET", "/orders", "200 hello, grace"},
			{ada, "POST", "/orders", "200 hello, ada"},
			{old, "POST", "/orders", "403 fresh_sign_in_required"},
			{ada, "GET", "/payroll", "403 second_factor_needed"},
			{second, "GET", "/payroll", "200 hello, ada"},
			{ada, "GET", "/own", "409 sold_out"},
			{ada, "POST", "/api/auth/logout", "200 {}\n"},
			{ada, "GET", "/hello", "401 not_authenticated"},
			{second, "GET", "/hello", "200 hello, ada"},
		} {
			if got := get(t, c.who, c.method, s.URL+c.at); got != c.want {
				t.Errorf("strict %v, %s %s: %q; want %q", strict, c.method, c.at, got, c.want)
			}
		}
		if u := s.User("grace", "shop.view_order", "shop.add_order"); len(u.UserPermissions) != 2 {
			t.Errorf("grace has %q", u.UserPermissions)
		}
		if err := s.Accounts.RevokeAll(t.Context(), s.User("grace").ID); err != nil {
			t.Fatal(err)
		}
		if got := get(t, grace, "GET", s.URL+"/orders"); got != "401 session_ended" {
			t.Errorf("after everything of grace was ended: %s", got)
		}
	}
}

// TestOneHandlerAlone tests a handler without a server.
func TestOneHandlerAlone(t *testing.T) {
	ada := &account.User{ID: "1", Username: "ada", IsActive: true, Permissions: []string{"shop.view_order"}}
	fresh := &session.Session{ID: "s", User: "1", ReauthenticatedAt: time.Now(), SecondAt: time.Now()}
	for _, c := range []struct {
		who        *auth.Identity
		method, at string
		want       string
	}{
		{nil, "GET", "/hello", "401 not_authenticated"},
		{&auth.Identity{User: ada}, "GET", "/hello", "200 hello, ada"},
		{&auth.Identity{User: ada}, "GET", "/orders", "200 hello, ada"},
		{&auth.Identity{User: ada}, "POST", "/orders", "403 session_required"},
		{&auth.Identity{User: ada, Session: &session.Session{ID: "s", User: "1"}}, "POST", "/orders", "403 fresh_sign_in_required"},
		{&auth.Identity{User: ada, Session: fresh}, "POST", "/orders", "200 hello, ada"},
		{&auth.Identity{User: ada, Session: fresh}, "GET", "/payroll", "200 hello, ada"},
	} {
		if got := serve(t, shop(), c.who, c.method, c.at); got != c.want {
			t.Errorf("%s %s by %+v: %q; want %q", c.method, c.at, c.who, got, c.want)
		}
	}
}

// serve returns the answer of a handler to a request with an identity, as get does.
func serve(t *testing.T, h http.Handler, who *auth.Identity, method, path string) string {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), who)))
	var problem struct{ Code string }
	if json.Unmarshal(w.Body.Bytes(), &problem) == nil && problem.Code != "" {
		return fmt.Sprint(w.Code, " ", problem.Code)
	}
	return fmt.Sprint(w.Code, " ", w.Body.String())
}

func TestAProgramSeesTheEventsOfItsServer(t *testing.T) {
	seen := make(chan audit.Event, 100)
	s := cloakroomtest.New(t, cloakroom.Config{OnEvent: func(e audit.Event) { seen <- e }})
	ada := s.Client("ada")
	if got := get(t, ada, "POST", s.URL+"/api/auth/logout"); got != "200 {}\n" {
		t.Fatalf("the sign-out: %s", got)
	}
	for e := range seen { // go test ends a test that hangs
		if e.Is(audit.SessionKinds.Expired) && e.Subject == s.User("ada").ID {
			return
		}
	}
}

// TestAConfigOfProductionNamesNoPlaces: what says where things are is replaced.
func TestAConfigOfProductionNamesNoPlaces(t *testing.T) {
	s := cloakroomtest.New(t, cloakroom.Config{
		URL: "https://app.example.com", Data: "/var/lib/nowhere", DB: "postgres://nowhere.example/app", KeyFile: "/etc/nowhere", Schema: "app",
		Sessions: "redis://nowhere.example", Feed: "postgres://nowhere.example/app", PeerListen: "127.0.0.1:0",
		Ping: func(context.Context) error { return errors.New("nowhere") },
	})
	if got := get(t, s.Visitor(), "GET", s.URL+"/readyz"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("GET /readyz: %s", got)
	}
}

package server_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	appOrigin = "http://127.0.0.1:3000"
	apiURL    = "http://ADDRESS"
)

// article is the sample app of an often-read article about single-page apps and Django. It signs in with HTTP Basic and an
// empty body, asks who is signed in, and signs out with Django's X-CSRFTOKEN. It must run here unchanged, and what went wrong
// there must work.
type article struct {
	*page
	t *testing.T
}

func newArticle(t *testing.T, s *server) *article { return &article{s.page(appOrigin), t} }

func (a *article) login(username, password string) answer {
	a.t.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return a.must(a.fetch("POST", "/api/auth/login", map[string]string{"Authorization": "Basic " + basic}, nil))
}

func (a *article) logout() answer {
	a.t.Helper()
	return a.must(a.fetch("POST", "/api/auth/logout", map[string]string{"X-CSRFTOKEN": a.script("csrftoken")}, nil))
}

func (a *article) me() answer {
	a.t.Helper()
	return a.must(a.fetch("GET", "/api/me", nil, nil))
}

func (a *article) must(r answer, err error) answer {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// user is the answer that the article's app accepts: it takes anything else for a sign-out.
func (a *article) user(r answer) map[string]any {
	a.t.Helper()
	var user map[string]any
	if err := json.Unmarshal(r.body, &user); err != nil {
		a.t.Fatalf("%v: %s", err, r)
	}
	id, isNumber := user["id"].(float64)
	joined, isString := user["date_joined"].(string)
	if _, err := time.Parse(time.RFC3339Nano, joined); !isNumber || id < 1 || !isString || err != nil {
		a.t.Errorf("id %v, date_joined %v", user["id"], user["date_joined"])
	}
	for _, field := range []string{"username", "email", "first_name", "last_name"} {
		if _, isString := user[field].(string); !isString {
			a.t.Errorf("%s is %v", field, user[field])
		}
	}
	return user
}

func TestTheArticlesAppRunsUnchanged(t *testing.T) {
	t.Parallel()
	s := start(t, "--url", apiURL, "--origin", appOrigin)
	s.add("ada", "--email", "ada@example.com", "--first-name", "Ada", "--last-name", "Lovelace")
	a := newArticle(t, s)

	if r := a.me(); r.status != http.StatusUnauthorized || r.code() != "not_authenticated" {
		t.Errorf("/api/me before: %s, want 401", r)
	}
	if r := a.must(a.fetch("POST", "/api/auth/login", nil, nil)); r.status != http.StatusUnauthorized || r.code() != "not_authenticated" {
		t.Errorf("login without credentials: %s, want 401", r)
	}
	if r := a.login("ada", "not her password at all"); r.status != http.StatusUnauthorized || r.code() != "invalid_credentials" {
		t.Errorf("login with a wrong password: %s, want 401", r)
	} else if scheme := r.header.Get("WWW-Authenticate"); scheme == "" || strings.HasPrefix(scheme, "Basic") {
		t.Errorf("WWW-Authenticate is %q, on which a browser shows a box of its own", scheme)
	}
	if a.cookies[sessionCookie] != nil {
		t.Error("a session without a sign-in")
	}

	r := a.login("ada", goodPassword)
	if r.status != http.StatusOK {
		t.Fatalf("login: %s", r)
	}
	user := a.user(r)
	if user["username"] != "ada" || user["email"] != "ada@example.com" || user["first_name"] != "Ada" || user["last_name"] != "Lovelace" {
		t.Errorf("the user is %v", user)
	}
	if c := a.cookies[sessionCookie]; c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the session's cookie is %v", c)
	}
	if a.script("csrftoken") == "" {
		t.Error("scripts can't read the csrftoken")
	}
	if again := a.user(a.me()); !reflect.DeepEqual(again, user) {
		t.Errorf("/api/me says %v, login said %v", again, user)
	}
	if strings.Contains(string(r.body), a.cookies[sessionCookie].Value) {
		t.Error("the body holds the ticket")
	}

	ticket := a.cookies[sessionCookie].Value
	if r := a.logout(); r.status != http.StatusOK || strings.TrimSpace(string(r.body)) != "{}" {
		t.Errorf("logout: %s, want 200 {}", r)
	}
	if a.cookies[sessionCookie] != nil {
		t.Error("the cookie is still there")
	}
	if r := a.me(); r.status != http.StatusUnauthorized {
		t.Errorf("/api/me after: %s", r)
	}
	s.holding(ticket).demand(http.StatusUnauthorized, "the ticket after the logout")
	if r := a.logout(); r.status != http.StatusOK {
		t.Errorf("logout once more: %s", r)
	}
}

// TestOtherOriginsAreNotServed runs the same app from an origin that isn't configured.
func TestOtherOriginsAreNotServed(t *testing.T) {
	t.Attr("threat", "F05")
	t.Parallel()
	s := start(t, "--url", apiURL, "--origin", appOrigin)
	s.people("ada", 1)
	a := newArticle(t, s)
	a.login("ada0", goodPassword)
	for _, origin := range []string{"http://127.0.0.1:3001", "https://127.0.0.1:3000", "http://127.0.0.1:30000", "http://localhost:3000", "null"} {
		other := s.page(origin)
		other.cookies = a.cookies
		if _, err := other.fetch("GET", "/api/me", nil, nil); !errors.Is(err, errNetwork) {
			t.Errorf("%s can read who is signed in: %v", origin, err)
		}
		if _, err := other.fetch("POST", "/api/auth/logout", map[string]string{"X-CSRFTOKEN": a.script("csrftoken")}, nil); !errors.Is(err, errNetwork) {
			t.Errorf("%s can ask for the sign-out: %v", origin, err)
		}
		// A form needs no preflight, and its page need not read the answer.
		if _, err := other.fetch("POST", "/api/auth/logout", nil, nil); !errors.Is(err, errNetwork) {
			t.Errorf("%s can read a sign-out: %v", origin, err)
		}
		if r := a.me(); r.status != http.StatusOK {
			t.Fatalf("signed out by %s: %s", origin, r)
		}
	}
}

// TestTheIdleTimeIsRealAndSlides checks what the article calls "2 weeks after inactivity", which was two weeks after the
// sign-in. Here it is a minute, and the test moves the stored times instead of waiting. A use is written at once only if
// the end is near, so each pause is as long as possible.
func TestTheIdleTimeIsRealAndSlides(t *testing.T) {
	t.Attr("threat", "T01")
	t.Parallel()
	s := start(t, "--idle", "1m", "--lifetime", "1h")
	s.people("ida", 1)
	v, polling := s.signedIn("ida0"), s.signedIn("ida0")
	db := s.open()
	const pause = 52 * time.Second
	for past := pause; past < time.Hour; past += pause {
		s.age(db, pause)
		if a := v.demand(http.StatusOK, "used each minute"); a.status != http.StatusOK {
			t.Fatalf("that was after %v", past)
		}
		want := http.StatusUnauthorized
		if past == pause {
			want = http.StatusOK
		}
		if a := v.must(polling.get("/api/me?slide=false")); a.status != want {
			t.Fatalf("a page that only looks is answered %s after %v", a, past)
		}
	}
	s.age(db, pause)
	v.demand(http.StatusUnauthorized, "after an hour, whatever the use")

	v = s.signedIn("ida0")
	s.age(db, 61*time.Second)
	if a := v.demand(http.StatusUnauthorized, "after a pause of 61 s"); a.code() != "session_ended" {
		t.Errorf("after a pause of 61 s: %s", a)
	}
}

// TestTheIdleTimeInRealTime waits for the idle limit.
func TestTheIdleTimeInRealTime(t *testing.T) {
	if !long {
		t.Skip("takes more than a minute; CLOAKROOM_LONG=1 runs it")
	}
	t.Parallel()
	s := start(t, "--idle", "1m")
	s.people("ida", 1)
	used, left := s.signedIn("ida0"), s.signedIn("ida0")
	for range 5 {
		time.Sleep(13 * time.Second)
		used.demand(http.StatusOK, "used every 13 s")
	}
	left.demand(http.StatusUnauthorized, "left alone for 65 s")
	used.demand(http.StatusOK, "used")
}

// add adds a user with the command line.
func (s *server) add(name string, more ...string) {
	s.t.Helper()
	s.runWith(goodPassword+"\n", append([]string{"user", "add", name, "--password-stdin"}, more...)...)
}

package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/token"
)

// compatibility has the test of each row of docs/compatibility.md, by the name of the row.
var compatibility = map[string]func(t *testing.T, k *compatServer){}

// rows adds cases to the table.
func rows(cases map[string]func(t *testing.T, k *compatServer)) bool {
	for name, c := range cases {
		compatibility[name] = c
	}
	return true
}

// TestClientsOfDjangoPackagesGetWhatTheyExpect runs the test of each row of the page. It fails for a row without a test, and
// for a test without a row.
func TestClientsOfDjangoPackagesGetWhatTheyExpect(t *testing.T) {
	page, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z]+-[0-9]+) \|`).FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, row[1])
	}
	for name := range compatibility {
		if !slices.Contains(listed, name) {
			t.Errorf("there is a test for %s, but no such row on the page", name)
		}
	}
	if len(listed) == 0 {
		t.Fatal("the page has no rows")
	}
	for _, name := range listed {
		t.Run(name, func(t *testing.T) {
			run := compatibility[name]
			if run == nil {
				t.Fatal("the page has this row, but there is no test for it")
			}
			run(t, newCompatServer(t))
		})
	}
}

// compatServer is a server with three users: ada, who may read; off, whose account is disabled; and bob. Each has a token of
// Django REST framework.
type compatServer struct {
	*server
	t             *testing.T
	ada, off, bob *account.User
	token         map[string]string
}

func newCompatServer(t *testing.T, change ...func(*httpapi.API)) *compatServer {
	may := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := auth.FromContext(r.Context())
		if err != nil || i == nil {
			w.WriteHeader(500)
			return
		}
		fmt.Fprint(w, i.User.Username)
	})
	app := http.NewServeMux()
	app.Handle("/read", auth.RequirePermission("app.read")(may))
	s := start(t, options{next: app, change: func(a *httpapi.API) {
		for _, c := range change {
			c(a)
		}
	}})
	k := &compatServer{server: s, t: t, ada: s.user("ada"), off: s.user("off"), bob: s.user("bob"), token: map[string]string{}}
	if _, err := s.stores.Accounts.Change(t.Context(), k.ada.ID, func(u *account.User) error { u.UserPermissions = []string{"app.read"}; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, u := range []*account.User{k.ada, k.off, k.bob} {
		k.token[u.Username] = k.issue(u, token.Params{Kind: token.DRF})
	}
	if err := s.api.Accounts.SetActive(t.Context(), k.off.ID, false); err != nil {
		t.Fatal(err)
	}
	return k
}

// issue creates a token for a user, and returns its text.
func (s *server) issue(u *account.User, n token.Params) string {
	s.t.Helper()
	n.User, n.Epoch = u.ID, u.Epoch
	text, _, err := s.api.Tokens.Create(s.t.Context(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	s.secret.key(text)
	return text
}

// is checks the status and WWW-Authenticate of a response, and its detail on our own routes or its whole body on compatibility
// routes.
func is(t *testing.T, r *answer, status int, challenge, body string) {
	t.Helper()
	got := strings.TrimSuffix(string(r.body), "\n")
	if r.Header.Get("Content-Type") == "application/problem+json" {
		got, _ = r.field("detail").(string)
	}
	if r.StatusCode != status || r.Header.Get("WWW-Authenticate") != challenge || got != body {
		t.Errorf("%s %s: %d, WWW-Authenticate %q, %s\nwant %d, %q, %s", r.Request.Method, r.Request.URL.Path, r.StatusCode,
			r.Header.Get("WWW-Authenticate"), got, status, challenge, body)
	}
}

func (k *compatServer) me(header ...string) *answer {
	k.t.Helper()
	return k.program().send("GET", "/api/me", nil, header...)
}

// names fails the test unless the response describes the user.
func names(t *testing.T, r *answer, user string) {
	t.Helper()
	if r.StatusCode != 200 || r.field("username") != user {
		t.Errorf("got %d %s, want %s", r.StatusCode, r.body, user)
	}
}

const (
	noCredentials = "Authentication credentials were not provided."
	plainNothing  = `{"detail":"` + noCredentials + `"}`
	plainInvalid  = `{"detail":"Invalid token."}`
	tokenPath     = "/api/auth/token"
	knoxLoginPath = "/api/auth/knox/login/"
)

var _ = rows(map[string]func(t *testing.T, k *compatServer){
	"csrf-1": func(t *testing.T, k *compatServer) {
		r := k.client().send("GET", "/api/auth/csrf", nil)
		line := r.Header.Get("Set-Cookie")
		if !regexp.MustCompile(`^csrftoken=[A-Za-z0-9]{32}; Path=/; Expires=[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT; Max-Age=31449600; SameSite=Lax$`).MatchString(line) {
			t.Error(line)
		}
	},
	"csrf-2": func(t *testing.T, k *compatServer) {
		c := k.program()
		ok(t, c.login("ada", goodPassword))
		for _, name := range []string{"X-CSRFToken", "X-CSRFTOKEN", "x-csrftoken"} {
			ok(t, c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}, name+": "+c.cookie("csrftoken")))
		}
	},
	"csrf-3": func(t *testing.T, k *compatServer) {
		c := k.program()
		ok(t, c.login("ada", goodPassword))
		ok(t, c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword}, "X-CSRFToken: "+masked(c.cookie("csrftoken"))))
		form := "csrfmiddlewaretoken=" + masked(c.cookie("csrftoken"))
		ok(t, c.raw("POST", "/api/auth/logout", strings.NewReader(form), "Content-Type: application/x-www-form-urlencoded"))
	},
	"csrf-4": func(t *testing.T, k *compatServer) {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			if r := k.as(k.ada).send(method, "/api/me", nil, "Origin: https://evil.test", "X-CSRFToken: x"); r.StatusCode >= 300 {
				t.Errorf("%s: got %d %s", method, r.StatusCode, r.body)
			}
		}
	},
	"csrf-5": func(t *testing.T, k *compatServer) {
		for origin, status := range map[string]int{
			k.public: 200, "null": 403, "http://evil.test": 403, k.public + "/": 403, strings.ToUpper(k.public): 403, k.public + ".evil.test": 403,
		} {
			if r := k.as(k.ada).send("POST", "/api/auth/logout", nil, "Origin: "+origin); r.StatusCode != status {
				t.Errorf("%s: got %d %s", origin, r.StatusCode, r.body)
			}
		}
	},
	"csrf-6": func(t *testing.T, k *compatServer) {
		ok(t, k.as(k.ada).send("POST", "/api/auth/logout", nil, "Origin: "+k.public, "Referer: https://evil.test/"))
	},
	"csrf-7": func(t *testing.T, k *compatServer) {
		c := k.program()
		ok(t, c.login("ada", goodPassword))
		form := "csrfmiddlewaretoken=" + strings.Repeat("a", 32)
		r := c.raw("POST", "/api/auth/logout", strings.NewReader(form), "Content-Type: application/x-www-form-urlencoded", "X-CSRFToken: "+c.cookie("csrftoken"))
		is(t, r, 403, "", "CSRF Failed: CSRF token from POST incorrect.")
	},
	"csrf-8": func(t *testing.T, k *compatServer) {
		c := k.program()
		ok(t, c.login("ada", goodPassword))
		for token, reason := range map[string]string{
			strings.Repeat("a", 32): "incorrect.", strings.Repeat("a", 64): "incorrect.", "short": "has incorrect length.", strings.Repeat("-", 32): "has invalid characters.",
		} {
			is(t, c.send("POST", "/api/auth/logout", nil, "X-CSRFToken: "+token), 403, "", "CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header "+reason)
		}
	},
	"csrf-9": func(t *testing.T, k *compatServer) {
		c := k.program()
		c.send("GET", "/api/auth/csrf", nil)
		before := c.cookie("csrftoken")
		ok(t, c.send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": goodPassword}, "X-CSRFToken: "+before))
		if c.cookie("csrftoken") == before {
			t.Error("the token was not deleted")
		}
		is(t, c.send("POST", "/api/auth/logout", nil, "X-CSRFToken: "+before), 403, "", "CSRF Failed: CSRF token from the 'X-Csrftoken' HTTP header incorrect.")
	},

	"drf-1": func(t *testing.T, k *compatServer) { is(t, k.me(), 401, "Session", noCredentials) },
	"drf-2": func(t *testing.T, k *compatServer) {
		for header, text := range map[string]string{
			"Basic":              "Invalid basic header. No credentials provided.",
			"Basic ":             "Invalid basic header. No credentials provided.",
			"Basic a b":          "Invalid basic header. Credentials string should not contain spaces.",
			"Basic ###":          "Invalid basic header. Credentials not correctly base64 encoded.",
			"Basic bm9jb2xvbg==": "Invalid basic header. Credentials not correctly base64 encoded.",
		} {
			is(t, k.program().send("POST", "/api/auth/login", nil, "Authorization: "+header), 401, "Session", text)
			is(t, k.program().send("POST", knoxLoginPath, nil, "Authorization: "+header), 401, "Session", `{"detail":"`+text+`"}`)
		}
	},
	"drf-3": func(t *testing.T, k *compatServer) {
		for _, header := range []string{basic("ada", "wrong"), basic("unknown", goodPassword), basic("off", goodPassword)} {
			is(t, k.program().send("POST", "/api/auth/login", nil, header), 401, "Session", "Invalid username/password.")
		}
	},
	"drf-4": func(t *testing.T, k *compatServer) {
		for name, password := range map[string]string{"colons": "a:b:c and so on", "latin": "caf\xe9 au lait, s'il te pla\xeet"} {
			utf8 := password
			if name == "latin" {
				utf8 = "café au lait, s'il te plaît"
			}
			u, err := k.api.Accounts.Create(t.Context(), account.NewUser{Username: name, Password: utf8})
			if err != nil {
				t.Fatal(err)
			}
			for _, sent := range []string{password, utf8} {
				names(t, k.program().send("POST", "/api/auth/login", nil, basic(u.Username, sent)), name)
			}
		}
	},
	"drf-5": func(t *testing.T, k *compatServer) {
		for header, text := range map[string]string{
			"Token":          "Invalid token header. No credentials provided.",
			"Token a b":      "Invalid token header. Token string should not contain spaces.",
			"token \xff\xfe": "Invalid token header. Token string should not contain invalid characters.",
		} {
			is(t, k.me("Authorization: "+header), 401, "Token", text)
		}
	},
	"drf-6": func(t *testing.T, k *compatServer) {
		for _, wrong := range []string{strings.Repeat("0", 40), "x", strings.ToUpper(k.token["ada"]), k.token["ada"][1:], strings.Repeat("f", 64), strings.Repeat("x", 5000)} {
			is(t, k.me("Authorization: Token "+wrong), 401, "Token", "Invalid token.")
		}
	},
	"drf-7": func(t *testing.T, k *compatServer) {
		is(t, k.me("Authorization: Token "+k.token["off"]), 401, "Token", "User inactive or deleted.")
		if err := k.api.Accounts.SetActive(t.Context(), k.off.ID, true); err != nil {
			t.Fatal(err)
		}
		is(t, k.me("Authorization: Token "+k.token["off"]), 401, "Token", "Invalid token.")
		if err := k.api.Accounts.Delete(t.Context(), k.bob.ID); err != nil {
			t.Fatal(err)
		}
		is(t, k.me("Authorization: Token "+k.token["bob"]), 401, "Token", "User inactive or deleted.")
	},
	"drf-8": func(t *testing.T, k *compatServer) {
		for _, header := range []string{"Digest x", "Negotiate x", "Tokens " + k.token["ada"], "JWT x", "", basic("ada", goodPassword)} {
			is(t, k.me("Authorization: "+strings.TrimPrefix(header, "Authorization: ")), 401, "Session", noCredentials)
			names(t, k.as(k.ada).send("GET", "/api/me", nil, "Authorization: "+strings.TrimPrefix(header, "Authorization: ")), "ada")
		}
	},
	"drf-9": func(t *testing.T, k *compatServer) {
		is(t, k.as(k.ada).send("POST", "/api/auth/logout", nil, "Origin: http://evil.test"), 403, "",
			"CSRF Failed: Origin checking failed - http://evil.test does not match any trusted origins.")
	},
	"drf-10": func(t *testing.T, k *compatServer) {
		if r := k.program().send("GET", "/read", nil, "Authorization: Token "+k.token["ada"]); r.StatusCode != 200 || string(r.body) != "ada" {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		is(t, k.program().send("GET", "/read", nil, "Authorization: Token "+k.token["bob"]), 403, "", "You do not have permission to perform this action.")
	},
	"drf-11": func(t *testing.T, k *compatServer) {
		is(t, k.as(k.ada).send("GET", "/api/auth/nothing", nil), 404, "", "Not found.")
	},
	"drf-12": func(t *testing.T, k *compatServer) {
		r := k.as(k.ada).send("PUT", "/api/me", nil)
		is(t, r, 405, "", `Method "PUT" not allowed.`)
		if r.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Error(r.Header.Get("Allow"))
		}
	},
	"drf-13": func(t *testing.T, k *compatServer) {
		const text = `Unsupported media type "text/plain" in request.`
		for _, path := range []string{"/api/auth/login", tokenPath} {
			r := k.program().raw("POST", path, strings.NewReader("x"), "Content-Type: text/plain")
			var body struct{ Detail string }
			if err := json.Unmarshal(r.body, &body); err != nil || body.Detail != text || r.StatusCode != 415 {
				t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
			}
		}
	},
	"drf-14": func(t *testing.T, k *compatServer) {
		for _, path := range []string{"/api/auth/login", tokenPath, knoxLoginPath} {
			r := k.program().raw("POST", path, strings.NewReader(`{"username":`), "Content-Type: application/json")
			if detail, _ := r.field("detail").(string); r.StatusCode != 400 || !strings.HasPrefix(detail, "JSON parse error - ") {
				t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
			}
		}
	},
	"drf-15": func(t *testing.T, k *compatServer) {
		k.fail(10, "ada", "192.0.2.1")
		for _, path := range []string{"/api/auth/login", tokenPath, knoxLoginPath} {
			r := k.program().send("POST", path, map[string]string{"username": "ada", "password": goodPassword})
			detail, _ := r.field("detail").(string)
			wait := r.Header.Get("Retry-After")
			if r.StatusCode != 429 || detail != "Request was throttled. Expected available in "+wait+" seconds." {
				t.Errorf("%s: %d, Retry-After %q, %s", path, r.StatusCode, wait, r.body)
			}
		}
	},
	"drf-16": func(t *testing.T, k *compatServer) {
		for body, want := range map[string]string{
			`{}`:                                    `{"password":["This field is required."],"username":["This field is required."]}`,
			`{"username":null,"password":"x"}`:      `{"username":["This field may not be null."]}`,
			`{"username":[],"password":true}`:       `{"password":["Not a valid string."],"username":["Not a valid string."]}`,
			`{"username":"a\u0000","password":"x"}`: `{"username":["Null characters are not allowed."]}`,
			`{"username":" ","password":""}`:        `{"password":["This field may not be blank."],"username":["This field may not be blank."]}`,
		} {
			is(t, k.program().raw("POST", tokenPath, strings.NewReader(body), "Content-Type: application/json"), 400, "", want)
		}
	},
	"drf-17": func(t *testing.T, k *compatServer) {
		for body, kind := range map[string]string{`[]`: "list", `"x"`: "str", `1`: "int", `1.5`: "float", `true`: "bool", `null`: "NoneType"} {
			is(t, k.program().raw("POST", tokenPath, strings.NewReader(body), "Content-Type: application/json"), 400, "",
				`{"non_field_errors":["Invalid data. Expected a dictionary, but got `+kind+`."]}`)
		}
	},
	"drf-18": func(t *testing.T, k *compatServer) {
		r := k.me("Authorization: Token " + k.token["ada"])
		if joined, _ := r.field("date_joined").(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`).MatchString(joined) {
			t.Error(joined)
		}
	},

	"token-1": func(t *testing.T, k *compatServer) {
		form := "username=ada&password=" + strings.ReplaceAll(goodPassword, " ", "+")
		multipart := "--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nada\r\n--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n" + goodPassword + "\r\n--x--\r\n"
		var all []string
		for _, path := range []string{"/api/auth/token", "/api/auth/token/", "/api-token-auth", "/api-token-auth/"} {
			for kind, body := range map[string]string{
				"application/json": `{"username":"ada","password":"` + goodPassword + `"}`, "application/x-www-form-urlencoded": form,
				"multipart/form-data; boundary=x": multipart,
			} {
				r := k.program().raw("POST", path, strings.NewReader(body), "Content-Type: "+kind)
				text, _ := r.field("token").(string)
				if !regexp.MustCompile(`^\{"token":"[0-9a-f]{40}"\}$`).Match(r.body) || r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" || slices.Contains(all, text) {
					t.Errorf("%s with %s: got %d %s", path, kind, r.StatusCode, r.body)
				}
				all = append(all, text)
			}
		}
		for n, text := range all {
			if r := k.me("Authorization: Token " + text); (r.StatusCode == 200) != (n >= len(all)-10) {
				t.Errorf("token %d of %d: got %d", n+1, len(all), r.StatusCode)
			}
		}
	},
	"token-2": func(t *testing.T, k *compatServer) {
		for _, keyword := range []string{"Token", "token", "TOKEN", "Token ", " Token"} {
			names(t, k.me("Authorization: "+keyword+" "+k.token["ada"]), "ada")
		}
	},
	"token-3": func(t *testing.T, k *compatServer) {
		if r := k.program().send("POST", tokenPath, map[string]string{"username": "  ada ", "password": goodPassword}); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		is(t, k.program().send("POST", tokenPath, map[string]string{"username": "ada", "password": goodPassword + " "}), 400, "",
			`{"non_field_errors":["Unable to log in with provided credentials."]}`)
	},
	"token-4": func(t *testing.T, k *compatServer) {
		for name, password := range map[string]string{"ada": "wrong", "unknown": goodPassword, "off": goodPassword} {
			is(t, k.program().send("POST", tokenPath, map[string]string{"username": name, "password": password}), 400, "",
				`{"non_field_errors":["Unable to log in with provided credentials."]}`)
		}
	},
	"token-5": func(t *testing.T, k *compatServer) {
		is(t, k.program().raw("POST", "/api-token-auth/", nil), 400, "", `{"password":["This field is required."],"username":["This field is required."]}`)
		is(t, k.program().send("POST", "/api-token-auth/", map[string]string{"username": "ada", "password": ""}), 400, "", `{"password":["This field may not be blank."]}`)
	},
	"token-6": func(t *testing.T, k *compatServer) {
		r := k.program().send("GET", "/api-token-auth/", nil)
		is(t, r, 405, "", `{"detail":"Method \"GET\" not allowed."}`)
		if r.Header.Get("Allow") != "POST, OPTIONS" {
			t.Error(r.Header.Get("Allow"))
		}
	},
	"token-7": func(t *testing.T, k *compatServer) {
		r := k.program().send("POST", tokenPath, map[string]string{"username": "ada", "password": goodPassword})
		u, err := k.stores.Accounts.Load(t.Context(), k.ada.ID)
		if err != nil || u.LastLogin != 0 || len(r.Cookies()) > 0 || len(k.records(k.ada.ID)) != 0 || r.StatusCode != 200 {
			t.Errorf("%d, last login %d, %v, %v", r.StatusCode, u.LastLogin, r.Cookies(), err)
		}
	},
	"token-8": func(t *testing.T, k *compatServer) {
		r := k.program().send("POST", tokenPath, map[string]any{"username": "ada", "password": goodPassword, "device": "phone", "next": []int{1}})
		if r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	},
	"token-9": func(t *testing.T, k *compatServer) {
		c := k.as(k.ada)
		if r := c.send("POST", tokenPath, map[string]string{"username": "ada", "password": goodPassword}); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		r := c.send("POST", tokenPath, map[string]string{"username": "ada", "password": goodPassword}, "Origin: http://evil.test")
		if r.StatusCode != 403 {
			t.Errorf("from another origin: got %d %s", r.StatusCode, r.body)
		}
	},

	"knox-1": func(t *testing.T, k *compatServer) {
		for name, r := range map[string]*answer{
			"Basic":     k.program().send("POST", knoxLoginPath, nil, basic("ada", goodPassword)),
			"a body":    k.program().send("POST", "/api/auth/knox/login", map[string]string{"username": "ada", "password": goodPassword}),
			"a session": k.as(k.ada).send("POST", knoxLoginPath, nil),
		} {
			expiry, err := time.Parse(time.RFC3339, fmt.Sprint(r.field("expiry")))
			if in := time.Until(expiry); err != nil || in < 10*time.Hour-5*time.Second || in > 10*time.Hour {
				t.Errorf("%s: the token expires in %v (%v)", name, in, err)
			}
			if r.StatusCode != 200 || !regexp.MustCompile(`^\{"expiry":"[^"]+Z","token":"[0-9a-f]{64}"\}$`).Match(r.body) || len(r.Cookies()) > 0 {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
			names(t, k.me(fmt.Sprint("Authorization: token ", r.field("token"))), "ada")
		}
	},
	"knox-2": func(t *testing.T, k *compatServer) {
		k.knox(t, "ada")
		if u, err := k.stores.Accounts.Load(t.Context(), k.ada.ID); err != nil || u.LastLogin == 0 {
			t.Errorf("%+v, %v", u, err)
		}
	},
	"knox-3": func(t *testing.T, k *compatServer) {
		is(t, k.program().send("POST", knoxLoginPath, nil), 401, "Session", plainNothing)
		is(t, k.program().send("POST", knoxLoginPath, nil, "Authorization: Token "+k.token["ada"]), 401, "Session", plainNothing)
		for _, path := range []string{"/api/auth/knox/logout/", "/api/auth/knox/logoutall/"} {
			is(t, k.program().send("POST", path, nil), 401, "Token", plainNothing)
			is(t, k.as(k.ada).send("POST", path, nil), 401, "Token", plainNothing)
		}
	},
	"knox-4": func(t *testing.T, _ *compatServer) {
		k := newCompatServer(t, func(a *httpapi.API) { a.Knox.Limit = 2 })
		for range 2 {
			k.knox(t, "ada")
		}
		r := k.program().send("POST", knoxLoginPath, nil, basic("ada", goodPassword))
		is(t, r, 403, "", `{"error":"Maximum amount of tokens allowed per user exceeded."}`)
		k.knox(t, "bob")
	},
	"knox-5": func(t *testing.T, _ *compatServer) {
		k := newCompatServer(t, func(a *httpapi.API) { a.Knox.Limit, a.Knox.TTL = 1, time.Second })
		text := k.knox(t, "ada")
		time.Sleep(1100 * time.Millisecond)
		is(t, k.me("Authorization: Token "+text), 401, "Token", "Invalid token.")
		k.knox(t, "ada")
	},
	"knox-6": func(t *testing.T, k *compatServer) {
		text, other := k.knox(t, "ada"), k.knox(t, "ada")
		r := k.program().send("POST", "/api/auth/knox/logout/", nil, "Authorization: Token "+text)
		if r.StatusCode != 204 || len(r.body) > 0 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		is(t, k.program().send("POST", "/api/auth/knox/logout/", nil, "Authorization: Token "+text), 401, "Token", plainInvalid)
		names(t, k.me("Authorization: Token "+other), "ada")
	},
	"knox-7": func(t *testing.T, k *compatServer) {
		text, other, bobs := k.knox(t, "ada"), k.knox(t, "ada"), k.knox(t, "bob")
		if r := k.program().send("POST", "/api/auth/knox/logoutall/", nil, "Authorization: Token "+text); r.StatusCode != 204 || len(r.body) > 0 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		for _, gone := range []string{text, other} {
			is(t, k.me("Authorization: Token "+gone), 401, "Token", "Invalid token.")
		}
		names(t, k.me("Authorization: Token "+bobs), "bob")
		names(t, k.me("Authorization: Token "+k.token["ada"]), "ada")
	},
	"knox-8": func(t *testing.T, k *compatServer) {
		for _, path := range []string{"/api/auth/knox/logout/", "/api/auth/knox/logoutall/"} {
			is(t, k.program().send("GET", path, nil), 401, "Token", plainNothing)
			r := k.program().send("GET", path, nil, "Authorization: Token "+k.knox(t, "ada"))
			is(t, r, 405, "", `{"detail":"Method \"GET\" not allowed."}`)
			if r.Header.Get("Allow") != "POST, OPTIONS" {
				t.Error(r.Header.Get("Allow"))
			}
		}
	},
	"knox-9": func(t *testing.T, k *compatServer) {
		is(t, k.program().send("POST", "/api/auth/knox/logout/", nil, "Authorization: Token \xff"), 401, "Token",
			`{"detail":"Invalid token header. Token string should not contain invalid characters."}`)
	},
	"knox-10": func(t *testing.T, _ *compatServer) {
		k := newCompatServer(t, func(a *httpapi.API) { a.Knox.TTL = -1 })
		r := k.program().send("POST", knoxLoginPath, nil, basic("ada", goodPassword))
		if !strings.HasPrefix(string(r.body), `{"expiry":null,"token":"`) {
			t.Errorf("got %s", r.body)
		}
	},
	"knox-11": func(t *testing.T, k *compatServer) {
		personal := k.issue(k.ada, token.Params{Kind: token.Personal, Name: "x"})
		for header, challenge := range map[string]string{"Token " + k.token["ada"]: "Token", "Bearer " + personal: "Token"} {
			is(t, k.program().send("POST", "/api/auth/knox/logout/", nil, "Authorization: "+header), 401, challenge, plainInvalid)
		}
		names(t, k.me("Authorization: Token "+k.token["ada"]), "ada")
		names(t, k.me("Authorization: Bearer "+personal), "ada")
	},
})

// knox signs a user in like a knox client, and returns the token.
func (k *compatServer) knox(t *testing.T, user string) string {
	t.Helper()
	r := k.program().send("POST", knoxLoginPath, nil, basic(user, goodPassword))
	text, _ := r.field("token").(string)
	if r.StatusCode != 200 || text == "" {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	return text
}

// masked masks a csrftoken like Django.
func masked(token string) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const mask = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
	cipher := make([]byte, len(token))
	for i := range cipher {
		cipher[i] = alphabet[(strings.IndexByte(alphabet, token[i])+strings.IndexByte(alphabet, mask[i]))%len(alphabet)]
	}
	return mask + string(cipher)
}

// TestAnOldSessionGetsNoTokenThatOutlivesIt: who has stolen a ticket must not be able to stay after the sign-out.
func TestAnOldSessionGetsNoTokenThatOutlivesIt(t *testing.T) {
	t.Attr("threat", "S10")
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	ok(t, c.send("POST", knoxLoginPath, nil))
	s.staleSessions(u.ID)
	for path, body := range map[string]any{knoxLoginPath: nil, "/api/auth/tokens": map[string]any{"name": "x"}} {
		if r := c.send("POST", path, body); !isProblem(r, 403, "fresh_sign_in_required") {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
	}
}

package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/storetest"
	"github.com/cloakroom-auth/cloakroom/token"
)

// jwtPair gets a pair with goodPassword, like a program.
func (s *server) jwtPair(name string) jwt.Pair {
	s.t.Helper()
	r := s.program().send("POST", "/api/auth/jwt/create", map[string]string{"username": name, "password": goodPassword})
	if r.StatusCode != 200 {
		s.t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	return s.pair(r)
}

// pair returns the tokens of a response. The log will be searched for them.
func (s *server) pair(r *answer) jwt.Pair {
	access, _ := r.field("access").(string)
	refresh, _ := r.field("refresh").(string)
	s.secret.add(signatureOf(access), signatureOf(refresh))
	return jwt.Pair{Access: access, Refresh: refresh}
}

func signatureOf(text string) string { return text[strings.LastIndex(text, ".")+1:] }

// withAccess sends a request with an access token, like a program.
func (s *server) withAccess(text, method, path string) *answer {
	s.t.Helper()
	return s.program().send(method, path, nil, "Authorization: Bearer "+text)
}

func (s *server) refreshJWT(text string) *answer {
	s.t.Helper()
	return s.program().send("POST", "/api/auth/jwt/refresh", map[string]string{"refresh": text})
}

func (s *server) verifyJWT(text, audience string) *answer {
	s.t.Helper()
	body := map[string]string{"token": text}
	if audience != "" {
		body["audience"] = audience
	}
	return s.program().send("POST", "/api/auth/jwt/verify", body)
}

// mintJWT returns a token minted from a client's session.
func (c *client) mintJWT(audience string) string {
	c.s.t.Helper()
	r := c.send("POST", "/api/auth/jwt/mint", map[string]string{"audience": audience})
	text, _ := r.field("token").(string)
	if r.StatusCode != 200 || text == "" {
		c.s.t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	c.s.secret.add(signatureOf(text))
	return text
}

// badJWT fails the test unless a response is simplejwt's to an invalid token.
func badJWT(t *testing.T, what string, r *answer, message string) {
	t.Helper()
	want := fmt.Sprintf(`"messages":[{"token_class":"AccessToken","token_type":"access","message":%q}]`, message)
	if !isProblem(r, 401, "token_not_valid") || r.field("detail") != "Given token not valid for any token type" ||
		!strings.Contains(string(r.body), want) || r.Header.Get("WWW-Authenticate") != `Bearer realm="api"` || len(r.Cookies()) > 0 {
		t.Errorf("%s: got %d %v %s", what, r.StatusCode, r.Header, r.body)
	}
}

// TestAnAccessTokenBecomesASession: the first exchange sets the cookie and the csrftoken. The session counts as authenticated at
// the token's sign-in, and isn't fresh.
func TestAnAccessTokenBecomesASession(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		pair := s.jwtPair("ada")
		s.age(pair.Access, time.Hour)
		pair = s.pair(s.refreshJWT(pair.Refresh))
		c := s.client()
		r := c.send("POST", "/api/auth/jwt/exchange", nil, "Authorization: Bearer "+pair.Access)
		if r.StatusCode != 200 || r.field("username") != "ada" || c.ticket() == "" || r.cookie("csrftoken") == nil {
			t.Fatalf("got %d %s %v", r.StatusCode, r.body, r.Cookies())
		}
		s.alive(t, "the new session", c.ticket())
		d := c.devices()
		if len(d) != 1 || d[0].Method != "jwt" || !d[0].Current {
			t.Errorf("got %+v", d)
		}
		record := s.records(u.ID)[0]
		if age := time.Now().Unix() - record.Created; age < 3600 || age > 3660 || record.ReauthenticatedAt != 0 || record.Deadline != record.Created+30*24*3600 {
			t.Errorf("got %+v", record)
		}
		if r := c.send("DELETE", "/api/auth/sessions", nil); !isProblem(r, 403, "fresh_sign_in_required") {
			t.Errorf("a route for fresh sessions: got %d %s", r.StatusCode, r.body)
		}
		if r := c.send("POST", "/api/auth/logout", nil); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		again := c.send("POST", "/api/auth/jwt/exchange", nil, "Authorization: Bearer "+pair.Access)
		if !isProblem(again, 401, "token_spent") || again.Header.Get("WWW-Authenticate") != `Bearer realm="api"` || again.cookie("sessionid") != nil {
			t.Errorf("a second time: got %d %s", again.StatusCode, again.body)
		}
		if r := s.withAccess(pair.Access, "GET", "/api/me"); r.StatusCode != 200 {
			t.Errorf("the token after the exchange: got %d %s", r.StatusCode, r.body)
		}
		next := s.pair(s.refreshJWT(pair.Refresh))
		if r := s.client().send("POST", "/api/auth/jwt/exchange", nil, "Authorization: Bearer "+next.Access); r.StatusCode != 200 {
			t.Errorf("an exchange of the next token: got %d %s", r.StatusCode, r.body)
		}
	})
}

// age makes the family of a token older.
func (s *server) age(text string, by time.Duration) {
	s.t.Helper()
	all, err := s.stores.Tokens.List(s.t.Context(), token.Query{PublicID: claimOf(s.t, text, "sid").(string)})
	if err != nil || len(all) != 1 {
		s.t.Fatal(all, err)
	}
	older := *all[0]
	older.Created -= int64(by / time.Second)
	if err := s.stores.Tokens.Delete(s.t.Context(), older.ID); err != nil {
		s.t.Fatal(err)
	}
	if err := s.stores.Tokens.Create(s.t.Context(), &older, token.Limit{}); err != nil {
		s.t.Fatal(err)
	}
}

func claimOf(t *testing.T, text, name string) any {
	t.Helper()
	parts := strings.Split(text, ".")
	plain, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(plain, &all); err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// TestManyTabsCanRefreshAtOnce, over HTTP and with each store: one gets the next pair, the others get token_just_used, and
// nothing ends.
func TestManyTabsCanRefreshAtOnce(t *testing.T) {
	t.Attr("threat", "B6")
	t.Attr("threat", "J05")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.user("ada")
		pair := s.jwtPair("ada")
		answers := make([]*answer, 64)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = s.refreshJWT(pair.Refresh) })
		}
		all.Wait()
		var next jwt.Pair
		lost := 0
		for _, r := range answers {
			switch {
			case r.StatusCode == 200 && next.Refresh == "":
				next = s.pair(r)
			case r.StatusCode == 409 && r.code() == "token_just_used" && r.Header.Get("Content-Type") == "application/json":
				lost++
			default:
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
		}
		if lost != 63 {
			t.Fatalf("%d requests got token_just_used, want all but one", lost)
		}
		if r := s.withAccess(next.Access, "GET", "/api/me"); r.StatusCode != 200 {
			t.Errorf("the next access token: got %d %s", r.StatusCode, r.body)
		}
		if r := s.withAccess(pair.Access, "GET", "/api/me"); r.StatusCode != 200 {
			t.Errorf("a reuse within the grace period: got %d %s", r.StatusCode, r.body)
		}
		s.api.JWT.Grace = time.Nanosecond
		if r := s.refreshJWT(pair.Refresh); r.StatusCode != 401 || r.field("detail") != "Token is blacklisted" {
			t.Errorf("a reuse after the grace period: got %d %s", r.StatusCode, r.body)
		}
		for _, text := range []string{pair.Access, next.Access} {
			badJWT(t, "after a late re-use", s.withAccess(text, "GET", "/api/me"), "Token is blacklisted")
		}
		if r := s.refreshJWT(next.Refresh); r.StatusCode != 401 {
			t.Errorf("the next refresh token after the reuse: got %d %s", r.StatusCode, r.body)
		}
		if !s.logged(`"msg":"authn_token_reuse"`) {
			t.Error("the reuse was not logged")
		}
	})
}

func TestOneExchangeOfManyAtOnceSucceeds(t *testing.T) {
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		u := s.user("ada")
		pair := s.jwtPair("ada")
		codes := make([]string, 32)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() {
				r := s.program().send("POST", "/api/auth/jwt/exchange", nil, "Authorization: Bearer "+pair.Access)
				codes[i] = r.code()
			})
		}
		all.Wait()
		if n := len(slices.DeleteFunc(codes, func(code string) bool { return code == "token_spent" })); n != 1 || len(s.records(u.ID)) != 1 {
			t.Errorf("%d exchanges succeeded and there are %d sessions, want 1 of each", n, len(s.records(u.ID)))
		}
	})
}

// TestOnlyAValidAccessTokenIsExchanged: no other credential, and no other kind of token.
func TestOnlyAValidAccessTokenIsExchanged(t *testing.T) {
	t.Attr("threat", "J02")
	t.Attr("threat", "I7")
	s := start(t, options{})
	u := s.user("ada")
	pair := s.jwtPair("ada")
	c := s.signedIn("ada")
	minted := c.mintJWT("reports")
	personal := s.issue(u, token.Params{Kind: token.Personal})
	drf := s.issue(u, token.Params{Kind: token.DRF})
	before := len(s.records(u.ID))
	exchange := func(c *client, header ...string) *answer {
		return c.send("POST", "/api/auth/jwt/exchange", nil, header...)
	}
	for what, row := range map[string]struct {
		r    *answer
		code string
	}{
		"nothing":          {exchange(s.client()), "not_authenticated"},
		"a session":        {exchange(c), "access_token_required"},
		"a personal token": {exchange(s.client(), "Authorization: Bearer "+personal), "access_token_required"},
		"a DRF token":      {exchange(s.client(), "Authorization: Token "+drf), "access_token_required"},
		"Basic":            {exchange(s.client(), basic("ada", goodPassword)), "not_authenticated"},
		"two words":        {exchange(s.client(), "Authorization: Bearer "+pair.Access+" "+pair.Access), "bad_authorization_header"},
		"in small letters": {exchange(s.client(), "Authorization: bearer "+pair.Access), "not_authenticated"},
		"in the body":      {s.client().send("POST", "/api/auth/jwt/exchange", map[string]string{"token": pair.Access}), "not_authenticated"},
		"in the query":     {s.client().send("POST", "/api/auth/jwt/exchange?token="+pair.Access, nil), "not_authenticated"},
		"in a cookie":      {exchange(s.client(), "Cookie: access="+pair.Access+"; sessionid="+pair.Access), "not_authenticated"},
		"another site": {exchange(s.client(), "Authorization: Bearer "+pair.Access, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
			"csrf_failed"},
	} {
		if row.r.code() != row.code || row.r.cookie("sessionid") != nil {
			t.Errorf("%s: got %d %s", what, row.r.StatusCode, row.r.body)
		}
	}
	badJWT(t, "a refresh token", exchange(s.client(), "Authorization: Bearer "+pair.Refresh), "Token has wrong type")
	badJWT(t, "a minted token", exchange(s.client(), "Authorization: Bearer "+minted), "Token is invalid")
	badJWT(t, "dots", exchange(s.client(), "Authorization: Bearer "+strings.Repeat(".", 50000)), "Token is invalid")
	badJWT(t, "garbage", exchange(s.client(), "Authorization: Bearer eyJ"), "Token is invalid")
	if n := len(s.records(u.ID)); n != before {
		t.Errorf("the refused exchanges created %d sessions", n-before)
	}
	if r := exchange(s.client(), "Authorization: Bearer "+pair.Access); r.StatusCode != 200 {
		t.Errorf("the valid token: got %d %s", r.StatusCode, r.body)
	}
}

// TestTheExchangeReplacesTheCurrentSession, even if it is of another user.
func TestTheExchangeReplacesTheCurrentSession(t *testing.T) {
	s := start(t, options{})
	ada, bob := s.user("ada"), s.user("bob")
	c := s.as(bob)
	old := c.ticket()
	r := c.send("POST", "/api/auth/jwt/exchange", map[string]bool{"remember": false}, "Authorization: Bearer "+s.jwtPair("ada").Access)
	if r.StatusCode != 200 || r.cookie("sessionid").MaxAge != 0 || !s.records(ada.ID)[0].Browser {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	s.dead(t, "bob's session", old)
	if len(s.records(bob.ID)) != 0 || len(s.records(ada.ID)) != 1 {
		t.Error("the replaced session was not ended")
	}
}

// TestJWTsEndWithTheirSource: a sign-out everywhere, a new password, a disabled or deleted account, a blacklisted family, and the
// end of a session take effect with the next request.
func TestJWTsEndWithTheirSource(t *testing.T) {
	t.Attr("threat", "X01")
	t.Attr("threat", "X02")
	t.Attr("threat", "X03")
	const ended = "Token is blacklisted"
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		for what, row := range map[string]struct {
			end             func(s *server, c *client, u *account.User, p jwt.Pair) error
			code            string // of the response to the access token at /api/me
			verify, refresh string // simplejwt's errors for the refresh token
			minted          string // and for a minted token
		}{
			"blacklist": {func(s *server, _ *client, _ *account.User, p jwt.Pair) error {
				return expect(200, s.program().send("POST", "/api/auth/jwt/blacklist", map[string]string{"refresh": p.Refresh}))
			}, "token_not_valid", ended, ended, ""},
			"the session's end": {func(_ *server, c *client, _ *account.User, _ jwt.Pair) error {
				return expect(200, c.send("POST", "/api/auth/logout", nil))
			}, "", "", "", ended},
			"everywhere": {func(s *server, c *client, u *account.User, _ jwt.Pair) error {
				return expect(200, c.send("POST", "/api/auth/logout", map[string]bool{"everywhere": true}))
			}, "token_not_valid", ended, ended, ended},
			"a new password": {func(_ *server, c *client, _ *account.User, _ jwt.Pair) error {
				return expect(200, c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword}))
			}, "token_not_valid", ended, ended, ended},
			"reset by an administrator": {func(s *server, _ *client, u *account.User, _ jwt.Pair) error {
				return s.api.Accounts.SetPassword(context.Background(), u.ID, newPassword)
			}, "token_not_valid", ended, ended, ended},
			"everything ended by an administrator": {func(s *server, _ *client, u *account.User, _ jwt.Pair) error {
				return s.api.Accounts.RevokeAll(context.Background(), u.ID)
			}, "token_not_valid", ended, ended, ended},
			"compromised": {func(s *server, _ *client, u *account.User, _ jwt.Pair) error {
				_, _, err := s.api.Accounts.DeclareCompromised(context.Background(), u.ID)
				return err
			}, "token_not_valid", ended, ended, ended},
			"disabled": {func(s *server, _ *client, u *account.User, _ jwt.Pair) error {
				return s.api.Accounts.SetActive(context.Background(), u.ID, false)
			}, "user_inactive", "No active account found for the given token.", "No active account found for the given token.",
				"No active account found for the given token."},
			"deleted": {func(s *server, _ *client, u *account.User, _ jwt.Pair) error {
				return s.api.Accounts.Delete(context.Background(), u.ID)
			}, "user_not_found", "No active account found for the given token.", "No active account found for the given token.",
				"No active account found for the given token."},
		} {
			s := start(t, options{stores: open})
			u := s.user("ada")
			c, pair := s.signedIn("ada"), s.jwtPair("ada")
			minted := c.mintJWT("reports")
			if r := s.verifyJWT(minted, "reports"); r.StatusCode != 200 {
				t.Errorf("%s: before: got %d %s", what, r.StatusCode, r.body)
			}
			if err := row.end(s, c, u, pair); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if r := s.withAccess(pair.Access, "GET", "/api/me"); r.code() != row.code || (r.StatusCode == 200) != (row.code == "") {
				t.Errorf("%s: access: got %d %s", what, r.StatusCode, r.body)
			}
			if r := s.verifyJWT(minted, "reports"); said(r) != row.minted {
				t.Errorf("%s: minted: got %d %s", what, r.StatusCode, r.body)
			}
			for _, text := range []string{pair.Access, pair.Refresh} {
				if r := s.verifyJWT(text, ""); said(r) != row.verify {
					t.Errorf("%s: verify: got %d %s", what, r.StatusCode, r.body)
				}
			}
			if r := s.refreshJWT(pair.Refresh); said(r) != row.refresh {
				t.Errorf("%s: refresh: got %d %s", what, r.StatusCode, r.body)
			}
		}
	})
}

func expect(status int, r *answer) error {
	if r.StatusCode != status {
		return fmt.Errorf("got %d %s", r.StatusCode, r.body)
	}
	return nil
}

// said returns simplejwt's error of a response, or "" if it has none.
func said(r *answer) string {
	if all, ok := r.field("non_field_errors").([]any); ok && r.StatusCode == 400 {
		return all[0].(string)
	}
	text, _ := r.field("detail").(string)
	return text
}

// TestAMintedTokenIsNotAcceptedByOurRoutes, in any header.
func TestAMintedTokenIsNotAcceptedByOurRoutes(t *testing.T) {
	t.Attr("threat", "I7")
	s := start(t, options{appTokens: true})
	u := s.user("ada")
	minted := s.as(u).mintJWT("reports")
	refresh := s.jwtPair("ada").Refresh
	forAnyone := []string{"/api/auth/logout", "/api/auth/login/pending", "/api/auth/passkey/options"}
	for what, text := range map[string]string{"minted": minted, "refresh": refresh} {
		for _, r := range httpapi.Routes() {
			for _, header := range []string{"Authorization: Bearer " + text, "Authorization: Token " + text, "X-Session-Token: " + text, "Cookie: sessionid=" + text} {
				a := s.program().send(r.Method, at(r), nil, header)
				if a.StatusCode == 200 && !slices.Contains(forAnyone, r.Path) && r.Method != "GET" || a.StatusCode == 200 && strings.Contains(string(a.body), `"ada"`) {
					t.Errorf("%s: %s %s with %.30s…: got %d %s", what, r.Method, r.Path, header, a.StatusCode, a.body)
				}
			}
		}
	}
	for path, body := range map[string]map[string]string{
		"refresh": {"refresh": minted}, "verify": {"token": minted}, "blacklist": {"refresh": minted},
	} {
		if r := s.program().send("POST", "/api/auth/jwt/"+path, body); r.StatusCode != 401 || r.field("detail") != "Token is invalid" {
			t.Errorf("%s: got %d %s", path, r.StatusCode, r.body)
		}
	}
	if r := s.verifyJWT(minted, "billing"); r.StatusCode != 401 {
		t.Errorf("another service: got %d %s", r.StatusCode, r.body)
	}
}

// TestOnlyASessionMintsTokens, and only for configured audiences.
func TestOnlyASessionMintsTokens(t *testing.T) {
	s := start(t, options{appTokens: true})
	u := s.user("ada")
	c := s.as(u)
	mint := func(c *client, body any, header ...string) *answer {
		return c.send("POST", "/api/auth/jwt/mint", body, header...)
	}
	reports := map[string]string{"audience": "reports"}
	for what, row := range map[string]struct {
		r      *answer
		status int
		code   string
	}{
		"a visitor":           {mint(s.client(), reports), 401, "not_authenticated"},
		"an access token":     {mint(s.program(), reports, "Authorization: Bearer "+s.jwtPair("ada").Access), 403, "session_required"},
		"a personal token":    {mint(s.program(), reports, "Authorization: Bearer "+s.issue(u, token.Params{Kind: token.Personal})), 403, "session_required"},
		"no audience":         {mint(c, map[string]string{}), 400, "invalid"},
		"an unknown audience": {mint(c, map[string]string{"audience": "evil"}), 400, "invalid"},
		"ourselves":           {mint(c, map[string]string{"audience": s.public}), 400, "invalid"},
		"another site":        {mint(c, reports, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"), 403, "csrf_failed"},
	} {
		if !isProblem(row.r, row.status, row.code) {
			t.Errorf("%s: got %d %s", what, row.r.StatusCode, row.r.body)
		}
	}
	r := mint(c, reports)
	expires, err := time.Parse(time.RFC3339, fmt.Sprint(r.field("expires_at")))
	if life := time.Until(expires); err != nil || life > 5*time.Minute || life < 4*time.Minute+50*time.Second {
		t.Errorf("%v %v", life, err)
	}
	text := r.field("token").(string)
	if claimOf(t, text, "aud") != "reports" || claimOf(t, text, "sub") != u.ID || claimOf(t, text, "sid") != s.records(u.ID)[0].PublicID {
		t.Errorf("got %s", r.body)
	}
	app := s.program().send("POST", "/api/auth/login", map[string]any{"username": "ada", "password": goodPassword, "app": true})
	if r := mint(s.program(), reports, "X-Session-Token: "+app.Header.Get("X-Session-Token")); r.StatusCode != 200 {
		t.Errorf("an app: got %d %s", r.StatusCode, r.body)
	}
}

// TestThePublicKeysAreCachedAndNeedNoCredential, once there are any keys.
func TestThePublicKeysAreCachedAndNeedNoCredential(t *testing.T) {
	s := start(t, options{})
	u := s.user("ada")
	if r := s.client().send("GET", "/.well-known/jwks.json", nil); r.StatusCode != 200 || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("before there are keys: got %d %v", r.StatusCode, r.Header)
	}
	minted := s.as(u).mintJWT("reports")
	for name, c := range map[string]*client{"a visitor": s.client(), "a user": s.as(u), "an ended session": s.client().hold(anyTicket()), "a program": s.program()} {
		for _, path := range []string{"/.well-known/jwks.json", "/.well-known/jwks.json/"} {
			r := c.send("GET", path, nil)
			if r.StatusCode != 200 || r.Header.Get("Cache-Control") != "public, max-age=300" || len(r.Header["Set-Cookie"]) > 0 ||
				slices.Contains(r.Header["Vary"], "Cookie") || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: got %d %v", name, r.StatusCode, r.Header)
			}
			keys, _ := r.field("keys").([]any)
			if len(keys) != 1 || !strings.Contains(headerOf(t, minted), keys[0].(map[string]any)["kid"].(string)) {
				t.Errorf("%s: %s", name, r.body)
			}
		}
	}
	if r := s.client().send("POST", "/.well-known/jwks.json", nil); !isProblem(r, 405, "method_not_allowed") {
		t.Errorf("POST: got %d", r.StatusCode)
	}
	app := start(t, options{next: appBehind(t)})
	for _, path := range []string{"/.well-known/", "/.well-known/jwks.jsonx", "/.well-known/jwks.json/x", "/.well-known/security.txt"} {
		if r := app.client().send("GET", path, nil); r.Header.Get("X-App") == "" {
			t.Errorf("%s didn't reach the app: got %d", path, r.StatusCode)
		}
	}
}

func headerOf(t *testing.T, text string) string {
	t.Helper()
	plain, err := base64.RawURLEncoding.DecodeString(text[:strings.Index(text, ".")])
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// TestGuessingByJWTIsCounted together with the guesses at sign-in.
func TestGuessingByJWTIsCounted(t *testing.T) {
	t.Attr("threat", "F8")
	t.Attr("threat", "F3")
	s := start(t, options{})
	s.user("ada")
	for n := range 10 {
		path := []string{"/api/auth/jwt/create", "/api/auth/login"}[n%2]
		if r := s.program().send("POST", path, map[string]string{"username": "ada", "password": "wrong"}); r.StatusCode != 401 {
			t.Fatalf("guess %d: got %d %s", n, r.StatusCode, r.body)
		}
	}
	r := s.program().send("POST", "/api/auth/jwt/create", map[string]string{"username": "ada", "password": goodPassword})
	detail, _ := r.field("detail").(string)
	if r.StatusCode != 429 || r.Header.Get("Retry-After") == "" || !strings.HasPrefix(detail, "Request was throttled. Expected available in ") ||
		r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v %s", r.StatusCode, r.Header, r.body)
	}
}

// TestAFailedStoreCallIsNotARefusalOfAJWT makes each call of each route fail in turn. The response is 503, and the request has
// either changed nothing or succeeded.
func TestAFailedStoreCallIsNotARefusalOfAJWT(t *testing.T) {
	t.Attr("threat", "B4")
	t.Attr("threat", "L04")
	for what, do := range map[string]func(s *server, c *client, p jwt.Pair, minted string) *answer{
		"create": func(s *server, _ *client, _ jwt.Pair, _ string) *answer {
			return s.program().send("POST", "/api/auth/jwt/create", map[string]string{"username": "ada", "password": goodPassword})
		},
		"refresh": func(s *server, _ *client, p jwt.Pair, _ string) *answer { return s.refreshJWT(p.Refresh) },
		"verify":  func(s *server, _ *client, p jwt.Pair, _ string) *answer { return s.verifyJWT(p.Access, "") },
		"minted":  func(s *server, _ *client, _ jwt.Pair, m string) *answer { return s.verifyJWT(m, "reports") },
		"access": func(s *server, _ *client, p jwt.Pair, _ string) *answer {
			return s.withAccess(p.Access, "GET", "/api/me")
		},
		"mint": func(_ *server, c *client, _ jwt.Pair, _ string) *answer {
			return c.send("POST", "/api/auth/jwt/mint", map[string]string{"audience": "reports"})
		},
		"exchange": func(s *server, _ *client, p jwt.Pair, _ string) *answer {
			return s.program().send("POST", "/api/auth/jwt/exchange", nil, "Authorization: Bearer "+p.Access)
		},
		"blacklist": func(s *server, _ *client, p jwt.Pair, _ string) *answer {
			return s.program().send("POST", "/api/auth/jwt/blacklist", map[string]string{"refresh": p.Refresh})
		},
	} {
		before := 0 // the number of calls before the request, the same each time
		for n := 0; ; n++ {
			plan := &storetest.FaultPlan{}
			if n > 0 {
				plan.Call = before + n
			}
			s := start(t, options{stores: func(t *testing.T) stores { return faulty(inMemory(t), plan) }})
			u := s.user("ada")
			c, pair := s.as(u), s.jwtPair("ada")
			minted := c.mintJWT("reports")
			sessions := len(s.records(u.ID))
			if calls := len(plan.Calls()); n == 0 {
				before = calls
			} else if calls != before {
				t.Fatalf("%s: %d calls to set up, and %d before", what, calls, before)
			}
			r := do(s, c, pair, minted)
			if len(plan.Calls()) < plan.Call {
				break // there are no more calls
			}
			if n == 0 {
				if r.StatusCode != 200 {
					t.Errorf("%s, without a fault: got %d %s", what, r.StatusCode, r.body)
				}
				continue
			}
			failed := plan.Calls()[plan.Call-1]
			// If the failed call isn't needed for the request, the request succeeds.
			if r.StatusCode != 200 && (r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || r.cookie("sessionid") != nil) {
				t.Errorf("%s, %s fails: got %d %s", what, failed, r.StatusCode, r.body)
			}
			if r.StatusCode == 200 && failed != "throttle.Update" && failed != "sealed.Sealed" && failed != "session.List" {
				t.Errorf("%s, %s fails, and the response is %d %s", what, failed, r.StatusCode, r.body)
			}
			if r.StatusCode == 503 && len(s.records(u.ID)) != sessions {
				t.Errorf("%s, %s fails: the request created or ended a session", what, failed)
			}
			if again := s.refreshJWT(pair.Refresh); r.StatusCode == 503 && again.StatusCode != 200 {
				t.Errorf("%s, %s fails: the refresh token afterwards: got %d %s", what, failed, again.StatusCode, again.body)
			}
		}
	}
}

// TestTheDatabaseHoldsNoJWT: a family is one row, without a token. The harness searches the log.
func TestTheDatabaseHoldsNoJWT(t *testing.T) {
	s := start(t, options{stores: inSQLite})
	u := s.user("ada")
	pair := s.jwtPair("ada")
	next := s.pair(s.refreshJWT(pair.Refresh))
	s.as(u).mintJWT("reports")
	all, err := s.stores.Tokens.List(t.Context(), token.Query{})
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	for _, text := range []string{pair.Access, pair.Refresh, next.Access, next.Refresh} {
		if strings.Contains(fmt.Sprintf("%+v %s", all[0], all[0].Data), signatureOf(text)) {
			t.Error("the store holds a token")
		}
	}
}

// TestATokenOfAnOldSignInIsNotExchanged, if the sign-in is longer ago than a session may last.
func TestATokenOfAnOldSignInIsNotExchanged(t *testing.T) {
	s := start(t, options{})
	s.user("ada")
	s.api.Sessions.BrowserLifetime = time.Hour
	pair := s.jwtPair("ada")
	s.age(pair.Access, 2*time.Hour)
	pair = s.pair(s.refreshJWT(pair.Refresh))
	r := s.client().send("POST", "/api/auth/jwt/exchange", map[string]bool{"remember": false}, "Authorization: Bearer "+pair.Access)
	if !isProblem(r, 401, "session_ended") || r.cookie("sessionid") != nil {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

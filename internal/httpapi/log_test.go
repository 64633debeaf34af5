package httpapi_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/cloakroom-auth/cloakroom/session"
)

// line has the fields of every log line about a request.
type line struct {
	Time      time.Time `json:"time"`
	Level     string    `json:"level"`
	Event     string    `json:"msg"`
	RequestID string    `json:"request_id"`
	SourceIP  string    `json:"source_ip"`
	Login     string    `json:"login"`
	User      string    `json:"user"`
	Session   string    `json:"session"`
	Reason    string    `json:"reason"`
}

// lines returns the log lines about one request.
func (s *server) lines(r *answer) []line {
	s.t.Helper()
	var found []line
	for text := range strings.Lines(s.log.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			s.t.Errorf("a log line isn't JSON: %q", text)
		}
		if l.RequestID == r.Header.Get("X-Request-Id") {
			found = append(found, l)
		}
	}
	return found
}

// TestEventsAreLogged: each with OWASP's name, the time, the address, the user, and the result.
func TestEventsAreLogged(t *testing.T) {
	t.Attr("threat", "L01")
	s := start(t, options{trusted: []string{"127.0.0.1"}})
	u, locked := s.user("ada"), s.user("bob")
	s.fail(10, locked.Username, "192.0.2.9")
	c, other, stale, over := s.signedIn("ada"), s.as(u), s.as(u), s.as(u)
	signedOut := s.as(u).ticket()
	s.client().hold(signedOut).send("POST", "/api/auth/logout", nil)
	signIn := func(name, password string) func(...string) *answer {
		return func(h ...string) *answer {
			return s.client().send("POST", "/api/auth/login", nil, append(h, basic(name, password))...)
		}
	}
	by := func(c *client, method, path string, body any) func(...string) *answer {
		return func(h ...string) *answer { return c.send(method, path, body, h...) }
	}
	with := func(line string, send func(...string) *answer) func(...string) *answer {
		return func(h ...string) *answer { return send(append(h, line)...) }
	}
	again := func(password string) func(...string) *answer {
		return by(c, "POST", "/api/auth/reauthenticate", map[string]string{"password": password})
	}
	change := func(current, next string) func(...string) *answer {
		return by(c, "POST", "/api/auth/password/change", changing(current, next))
	}
	signOut := by(c, "POST", "/api/auth/logout", nil)
	twoCookies := "Cookie: sessionid=" + anyTicket() + "; sessionid=" + anyTicket()
	const refused = "fresh_sign_in_required: Enter your password again to do this."
	for _, row := range []struct {
		name, event, level, reason string
		about                      string // the field that identifies the person: "login" or "user"
		send                       func(header ...string) *answer
	}{
		{"sign-in", "authn_login_success", "INFO", "", "login", signIn("ada", goodPassword)},
		{"sign-in", "session_created", "INFO", "", "user", signIn("ada", goodPassword)},
		{"a wrong password", "authn_login_fail", "WARN", "", "login", signIn("ada", "wrong")},
		{"an unknown name", "authn_login_fail", "WARN", "", "login", signIn("unknown", "wrong")},
		{"too many tries", "authn_login_lock", "WARN", "", "login", signIn("bob", goodPassword)},
		{"the password again", "authn_reauthenticate_success", "INFO", "", "login", again(goodPassword)},
		{"the password again", "session_renewed", "INFO", "", "user", again(goodPassword)},
		{"a wrong one again", "authn_reauthenticate_fail", "WARN", "", "login", again("wrong")},
		{"a refused change", "authn_password_change_fail", "WARN", "wrong password", "user", change("wrong", newPassword)},
		{"a refused new one", "authn_password_change_fail", "WARN", "new password refused", "user", change(goodPassword, "x")},
		{"another site's page", "malicious_csrf", "WARN", "csrf_failed", "", with("Origin: https://evil.example", signOut)},
		{"a wrong csrftoken", "malicious_csrf", "WARN", "csrf_failed", "", with("X-CSRFToken: x", signOut)},
		{"an ended session", "session_use_after_expire", "INFO", "unknown", "", by(s.client().hold(signedOut), "GET", "/api/me", nil)},
		{"a refusal", "authz_fail", "WARN", refused, "user", func(h ...string) *answer {
			s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt -= 3600 })
			return stale.send("DELETE", "/api/auth/sessions", nil, h...)
		}},
		{"two cookies", "input_validation_fail", "INFO", "two session cookies", "", with(twoCookies, by(s.client(), "GET", "/api/me", nil))},
		{"a sign-in over it", "session_expired", "INFO", "signed_in_again", "user", func(h ...string) *answer {
			return over.send("POST", "/api/auth/login", nil, append(h, basic("ada", goodPassword))...)
		}},
		{"sign-out", "session_expired", "INFO", "logout", "user", by(other, "POST", "/api/auth/logout", nil)},
		{"a new password", "authn_password_change", "INFO", "", "user", change(goodPassword, newPassword)},
		{"the end of all others", "session_expired", "INFO", "revoked", "user", func(h ...string) *answer {
			s.as(s.load(u.ID))
			return c.send("DELETE", "/api/auth/sessions", nil, h...)
		}},
		{"a session of before the change", "session_use_after_expire", "INFO", "unknown", "", by(stale, "GET", "/api/me", nil)},
	} {
		r := row.send("X-Forwarded-For: 192.0.2.44")
		found := false
		for _, l := range s.lines(r) {
			if l.Event != row.event {
				continue
			}
			found = true
			named := row.about == "" || row.about == "login" && l.Login != "" || row.about == "user" && l.User == u.ID
			if l.Level != row.level || l.Reason != row.reason || l.SourceIP != "192.0.2.44" || !named || time.Since(l.Time) > time.Minute {
				t.Errorf("%s: %+v", row.name, l)
			}
			if strings.HasPrefix(row.event, "session") && row.about == "user" && row.reason != "revoked" && l.Session == "" {
				t.Errorf("%s: %+v", row.name, l)
			}
		}
		if !found {
			t.Errorf("%s: %d, and no %s in %+v", row.name, r.StatusCode, row.event, s.lines(r))
		}
	}
}

// nasty are texts that could corrupt a log, or control a terminal that shows it.
var nasty = []string{
	"ada\nlevel=INFO msg=authn_login_success login=root", "ada\r\n{\"level\":\"INFO\",\"msg\":\"authn_login_success\"}", "\x1b[2J\x1b[1;31mred",
	"\u009b2J", "ada\" msg=forged login=\"root", `","msg":"forged","login":"root`, "\u202eadmin\u202c", "\u2028msg=forged", "\u2029", "a\tb\vc\fd\be\a",
	"\x7f\x7f", "\ufeffada", "ada\u200b", "%0d%0aforged", "${jndi:ldap://evil}", strings.Repeat("long ", 10000), "\\n\\u000a", "\U000e0041",
}

// TestUntrustedTextStaysWithinItsLogLine: in text and in JSON logs, neither a name nor a header can add a line, a field, or a
// control character.
func TestUntrustedTextStaysWithinItsLogLine(t *testing.T) {
	t.Attr("threat", "L02")
	for name, text := range map[string]bool{"JSON": false, "text": true} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{text: text})
			s.user("ada")
			want := 0
			for _, login := range nasty {
				for _, r := range []*answer{
					s.client().login(login, "wrong"),
					s.client().send("POST", "/api/auth/logout", nil, "Origin: https://"+inHeader(login)),
					s.client().hold(anyTicket()).send("GET", "/api/me", nil, "User-Agent: "+inHeader(login), "X-Request-Id: "+inHeader(login)),
				} {
					want++
					if r.StatusCode == 200 || r.StatusCode >= 500 {
						t.Errorf("%q: got %d", login, r.StatusCode)
					}
				}
				s.forgive()
			}
			log := s.log.String()
			if got := strings.Count(log, "\n"); got != want {
				t.Errorf("the log has %d lines, want %d:\n%.3000s", got, want, log)
			}
			for _, c := range log {
				if c != '\n' && !unicode.IsPrint(c) {
					t.Errorf("the log has the character %U", c)
				}
			}
			for text := range strings.Lines(log) {
				if len(text) > 2000 {
					t.Errorf("a log line has %d bytes, want at most 2000", len(text))
				}
			}
			s.eachLineIsFlat(t, text)
		})
	}
}

// TestThePathInARefusalIsLoggedSafely: the path is escaped and shortened, since users can send any path.
func TestThePathInARefusalIsLoggedSafely(t *testing.T) {
	t.Attr("threat", "L02")
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	s.change(u.ID, func(r *session.Record) { r.ReauthenticatedAt -= 3600 })
	for _, text := range nasty {
		id := url.PathEscape(text[:min(len(text), 2000)])
		if r := c.send("DELETE", "/api/auth/sessions/"+id, nil); !isProblem(r, 403, "fresh_sign_in_required") {
			t.Errorf("%q: got %d %s", text, r.StatusCode, r.body)
		}
	}
	refusals := strings.Count(s.log.String(), `"authz_fail"`)
	if refusals != len(nasty) {
		t.Errorf("the log has %d lines about %d refusals", refusals, len(nasty))
	}
	for text := range strings.Lines(s.log.String()) {
		if len(text) > 1000 {
			t.Errorf("the line is too long: %.1500q", text)
		}
		for _, c := range strings.TrimSuffix(text, "\n") {
			if !unicode.IsPrint(c) {
				t.Errorf("the character %U is in the line %q", c, text)
			}
		}
	}
}

// inHeader removes the characters that no header can have.
func inHeader(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '.'
		}
		return r
	}, text[:min(len(text), 2000)])
}

var (
	textLine  = regexp.MustCompile(`^(\w+=("(\\.|[^"\\])*"|[^\s"=]+) ?)+\n$`)
	textField = regexp.MustCompile(`(\w+)=("(?:\\.|[^"\\])*"|[^\s"=]+)`)
)

// eachLineIsFlat parses every line, and fails the test for fields that we don't log.
func (s *server) eachLineIsFlat(t *testing.T, text bool) {
	t.Helper()
	known := map[string]bool{"time": true, "level": true, "msg": true, "login": true, "reason": true, "request_id": true, "source_ip": true}
	events := map[any]bool{"authn_login_fail": true, "malicious_csrf": true, "session_use_after_expire": true}
	for line := range strings.Lines(s.log.String()) {
		fields := map[string]any{}
		switch {
		case !text:
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		case !textLine.MatchString(line):
			t.Errorf("%q", line)
		default:
			for _, field := range textField.FindAllStringSubmatch(line, -1) {
				fields[field[1]] = field[2]
			}
		}
		for name := range fields {
			if !known[name] || !events[fields["msg"]] {
				t.Errorf("the field %q of %v in %q", name, fields["msg"], line)
			}
		}
	}
}

// TestAPasswordTypedAsAUsernameIsNotLogged, on any route. The username of an account is logged.
func TestAPasswordTypedAsAUsernameIsNotLogged(t *testing.T) {
	t.Attr("threat", "L03")
	const typed = "purple canary drinks tea 71"
	s := start(t, options{basic: true})
	s.user("ada")
	for _, r := range []*answer{
		s.client().login(typed, "x"),
		s.client().send("POST", "/api/auth/login", nil, basic(typed, "x")),
		s.client().send("GET", "/api/me", nil, basic(typed, "x")),
		s.client().send("POST", "/api/auth/token", map[string]string{"username": typed, "password": "x"}),
		s.client().send("POST", "/api/auth/jwt/create/", map[string]string{"username": typed, "password": "x"}),
		s.client().send("POST", "/api/auth/knox/login/", nil, basic(typed, "x")),
	} {
		if lines := s.lines(r); len(lines) != 1 || lines[0].Event != "authn_login_fail" || lines[0].Login != "pu…" {
			t.Errorf("%d: %+v", r.StatusCode, lines)
		}
	}
	if log := s.log.String(); strings.Contains(log, "canary") {
		t.Error("the log has the password")
	}
	if lines := s.lines(s.client().login("ADA", "wrong")); len(lines) != 1 || lines[0].Login != "ADA" {
		t.Errorf("the username of an account: %+v", lines)
	}
}

// TestNoSecretIsEverLogged sends each kind of request once, with the log at the debug level. In this test, as in all others, the
// harness searches the log for each password, ticket, csrftoken, device cookie, set-up secret, hash and epoch.
func TestNoSecretIsEverLogged(t *testing.T) {
	t.Attr("threat", "R06")
	t.Attr("threat", "L03")
	s := start(t, options{})
	secret := s.setupSecret()
	s.client().send("POST", "/api/auth/setup", first(secret))
	u := s.user("ada")
	c := s.signedIn("ada")
	c.csrftoken()
	c.login("ada", "a wrong password of no account")
	c.send("POST", "/api/auth/login", nil, basic("ada", "another wrong password"))
	c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": goodPassword})
	c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": "yet another wrong password"})
	c.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword))
	c.send("POST", "/api/auth/password/change", changing(newPassword, "all too short?"))
	for _, route := range reads() {
		c.send("GET", route.Path+"?token="+c.ticket()+"&password="+newPassword[:7], nil)
	}
	for _, route := range unsafe() {
		s.as(u).send(route.Method, at(route), nil, "X-CSRFToken: "+c.cookie("csrftoken"))
		s.client().hold(c.ticket()).send(route.Method, at(route)+"?ticket="+c.ticket(), nil, "Origin: https://evil.example")
	}
	s.secret.mu.Lock()
	n := len(s.secret.all)
	s.secret.mu.Unlock()
	if n < 15 || !strings.Contains(s.log.String(), "authn_login_success") {
		t.Errorf("the harness knows %d secrets and the log has %d bytes, so nothing was searched", n, len(s.log.String()))
	}
}

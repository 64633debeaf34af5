package gateway_test

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheApplicationLearnsTheUser(t *testing.T) {
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		r := f.send(t, protocol, ask{path: "/orders/7?page=2&x=%2f..", header: []string{cookie + "; theme=dark"}})
		s, ok := r.seen()
		if !ok {
			t.Fatal(r)
		}
		for variable, want := range map[string]string{
			"HTTP_REMOTE_USER": name, "HTTP_REMOTE_EMAIL": name + "@example.com", "HTTP_REMOTE_GROUPS": "", "HTTP_REMOTE_NAME": "",
			"HTTP_COOKIE": "theme=dark", "HTTP_X_FORWARDED_HOST": f.host, "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "127.0.0.1",
		} {
			if s.CGI[variable] != want {
				t.Errorf("%s is %q, want %q", variable, s.CGI[variable], want)
			}
		}
		var me struct{ ID json.Number }
		if err := json.Unmarshal(f.send(t, protocol, ask{path: "/api/me", header: []string{cookie}}).body, &me); err != nil || s.CGI["HTTP_REMOTE_USER_ID"] != me.ID.String() {
			t.Errorf("HTTP_REMOTE_USER_ID is %q, want %q, %v", s.CGI["HTTP_REMOTE_USER_ID"], me.ID, err)
		}
		public, ok := f.send(t, protocol, ask{path: "/open/x"}).seen()
		if !ok {
			t.Fatal("a public path is closed")
		}
		for _, name := range []string{"Remote-User", "Remote-User-Id", "Remote-Groups", "Remote-Email", "Remote-Name", "Remote-Scopes", "Remote-Amr", "Cloakroom-Assertion"} {
			if f.name == "gateway" && len(s.Header[name]) != 1 {
				t.Errorf("%s is there %d times", name, len(s.Header[name]))
			}
			if f.name == "gateway" && !slices.Equal(public.Header[name], []string{""}) {
				t.Errorf("without a sign-in %s is %q", name, public.Header[name])
			}
		}
		if s.URI != "/orders/7?page=2&x=%2f.." || s.Host != f.host || s.Method != "GET" {
			t.Errorf("the application sees %s %s at %s", s.Method, s.URI, s.Host)
		}
		if strings.Contains(string(r.body), strings.TrimPrefix(cookie, "Cookie: "+sessionCookie+"=")) {
			t.Error("the application sees the ticket")
		}
	})
}

// namesNoHeaderCarries are usernames or addresses that a shared Django or an import may bring.
var namesNoHeaderCarries = []string{
	"ada ", " ada", "ada\n", "ada\r\nRemote-User: root", "\tada", "a\x00da", "a\x1fda", "a\x7fda", "ada\u0085", "a\u009bda", "ada\u00a0", "\u2003ada", "\u3000ada", " ",
}

func TestNoTwoUsersArriveAsOne(t *testing.T) {
	t.Attr("threat", "E11")
	onEachOwnFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		token := f.token(t, name)
		db := f.database(t)
		rename := func(username, email string) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), `UPDATE users SET username = ?, email = ? WHERE id = (SELECT user_id FROM logins WHERE key = ?)`, username, email, name); err != nil {
				t.Fatal(err)
			}
		}
		arrives := func(username, email string) {
			t.Helper()
			r := f.send(t, protocol, ask{path: "/private", header: []string{cookie}})
			if s, ok := r.seen(); !ok || s.CGI["HTTP_REMOTE_USER"] != username || s.CGI["HTTP_REMOTE_EMAIL"] != email {
				t.Errorf("%q, %q: %s", username, email, r)
			}
		}
		for _, fine := range []string{"ada", "jörg", "李", "a b", "a\u00a0b", "a,b%20", "ada\u0301"} {
			rename(fine, "x@example.com")
			arrives(fine, "x@example.com")
		}
		rename("ada", "")
		arrives("ada", "")
		users := append([][2]string{{"", "x@example.com"}}, pairs(namesNoHeaderCarries)...)
		for _, user := range users {
			rename(user[0], user[1])
			for _, credential := range []string{cookie, "Authorization: Bearer " + token} {
				for _, path := range []string{"/private", "/admin/x"} {
					r := f.kept(t, protocol, ask{path: path, header: []string{credential}}, 403)
					if path == "/private" && r.code() != "identity_not_expressible" {
						t.Errorf("%q: %s", user, r)
					}
				}
				r := f.send(t, protocol, ask{path: "/open/x", header: []string{credential, "Remote-User-Id: 1", "Remote-User: root"}})
				s, ok := r.seen()
				if !ok {
					t.Errorf("%q on a public path: %s", user, r)
				}
				for _, variable := range append(ourVariables, "HTTP_AUTHORIZATION", "HTTP_COOKIE") {
					if s.CGI[variable] != "" {
						t.Errorf("%q on a public path: %s is %q", user, variable, s.CGI[variable])
					}
				}
			}
		}
	})
}

// pairs returns each text as a username, and as an e-mail address.
func pairs(texts []string) (all [][2]string) {
	for _, s := range texts {
		all = append(all, [2]string{s, "x@example.com"}, [2]string{"ada", s})
	}
	return all
}

// token makes a personal token.
func (f *front) token(t *testing.T, name string, scopes ...string) string {
	t.Helper()
	var made struct{ Token string }
	args := []string{"token", "create", name, "--name", "test", "--json"}
	for _, scope := range scopes {
		args = append(args, "--scope", scope)
	}
	if err := json.Unmarshal([]byte(f.command(t, "", args...)), &made); err != nil || made.Token == "" {
		t.Fatalf("token: %+v, %v", made, err)
	}
	return made.Token
}

// database opens the server's file as another program would.
func (f *front) database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(f.data, "cloakroom.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

package gateway_test

import (
	"strings"
	"testing"
)

// ourVariables are the CGI variables in which an application looks for the identity.
var ourVariables = []string{
	"HTTP_REMOTE_USER", "HTTP_REMOTE_USER_ID", "HTTP_REMOTE_GROUPS", "HTTP_REMOTE_EMAIL", "HTTP_REMOTE_NAME", "HTTP_REMOTE_SCOPES", "HTTP_CLOAKROOM_ASSERTION",
}

// otherVariables are the CGI variables of other proxies and programs in which it might look too.
var otherVariables = []string{
	"HTTP_X_FORWARDED_USER", "HTTP_X_AUTH_REQUEST_USER", "HTTP_X_FORWARDED_PREFIX", "HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL",
	"HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_FORWARDED", "HTTP_PROXY",
}

// spellings are header lines, all of which become one of these variables.
func spellings(variables []string, between ...string) (lines []string) {
	for _, variable := range variables {
		words := strings.Split(strings.TrimPrefix(variable, "HTTP_"), "_")
		for _, between := range between {
			lines = append(lines, strings.ToLower(strings.Join(words, between))+": mallory",
				strings.ToUpper(strings.Join(words, between))+": mallory")
		}
	}
	return lines
}

func TestNoSpellingOfAHeaderReachesTheApplication(t *testing.T) {
	t.Attr("threat", "C1")
	t.Attr("threat", "C2")
	t.Attr("threat", "C8")
	t.Attr("threat", "E01")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		name := "ada-" + protocol
		cookie := f.signedIn(t, name)
		spoofed := append(spellings(ourVariables, "-", "_", ".", "~", "!", "|"), spellings(otherVariables, "-", "_", ".")...)
		for _, c := range []struct {
			who, want string
			ask       ask
		}{
			{"a visitor", "", ask{path: "/open/x", header: spoofed}},
			{"a user", name, ask{path: "/private", header: append(append(spoofed, cookie), spoofed...)}},
			{"one after the other", name, ask{path: "/private", header: []string{"Remote-User: mallory", cookie, "remote-user: mallory"}}},
		} {
			r := f.send(t, protocol, c.ask)
			s, ok := r.seen()
			if !ok {
				t.Fatalf("%s: %s", c.who, r)
			}
			if s.CGI["HTTP_REMOTE_USER"] != c.want {
				t.Errorf("%s: the application takes it for %q", c.who, s.CGI["HTTP_REMOTE_USER"])
			}
			for variable, value := range s.CGI {
				if strings.Contains(value, "mallory") {
					t.Errorf("%s: %s is %q", c.who, variable, value)
				}
			}
		}
	})
}

func TestConnectionCannotNameOurHeaders(t *testing.T) {
	t.Attr("threat", "C3")
	onEachFrontH1(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada")
		for _, list := range []string{
			"Remote-User, Remote-Groups, Remote-Email, Remote-Name, Cloakroom-Assertion", "close, remote-user", "keep-alive, REMOTE-USER",
			"X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Uri, X-Forwarded-Method", "Remote_User,Remote-User",
		} {
			r := f.send(t, protocol, ask{path: "/private", header: []string{cookie, "Connection: " + list, "Remote-User: mallory"}})
			s, ok := r.seen()
			if !ok || s.CGI["HTTP_REMOTE_USER"] != "ada" || s.CGI["HTTP_X_FORWARDED_FOR"] != "127.0.0.1" {
				t.Errorf("Connection: %s: %s", list, r)
			}
		}
	})
}

func TestAClientCannotChooseItsAddress(t *testing.T) {
	t.Attr("threat", "C5")
	t.Attr("threat", "E02")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		for _, line := range []string{
			"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 6.6.6.6, 127.0.0.1", `Forwarded: for="6.6.6.6;host=evil.test";proto=http`,
			"X-Real-IP: 6.6.6.6", "True-Client-IP: 6.6.6.6", "CF-Connecting-IP: 6.6.6.6", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.test",
			"X-Forwarded-Port: 6666", "X-Forwarded-Prefix: /evil.test", "X-Forwarded-Host: localhost\r\nX-Forwarded-Host: evil.test",
		} {
			if protocol == "h2" && strings.Contains(line, "\r\n") {
				continue
			}
			r := f.send(t, protocol, ask{path: "/open/x", header: []string{line}})
			s, ok := r.seen()
			if !ok {
				t.Errorf("%s: %s", line, r)
				continue
			}
			if s.CGI["HTTP_X_FORWARDED_FOR"] != "127.0.0.1" || s.CGI["HTTP_X_FORWARDED_HOST"] != f.host || s.CGI["HTTP_X_FORWARDED_PROTO"] != "https" || s.Host != f.host {
				t.Errorf("%s: the application sees %v at %s", line, s.CGI, s.Host)
			}
			for variable, value := range s.CGI {
				if strings.Contains(value, "6.6.6.6") || strings.Contains(value, "evil.test") || strings.Contains(value, "6666") {
					t.Errorf("%s: the application sees %s: %s", line, variable, value)
				}
			}
		}
	})
}

func TestCredentialsDontReachTheApplication(t *testing.T) {
	t.Attr("threat", "C15")
	t.Attr("threat", "E06")
	t.Attr("threat", "DB01")
	onEachFront(t, func(t *testing.T, f *front, protocol string) {
		cookie := f.signedIn(t, "ada-"+protocol)
		ticket := strings.TrimPrefix(cookie, "Cookie: "+sessionCookie+"=")
		for sent, want := range map[string]string{
			cookie: "",
			"Cookie: a=1; " + sessionCookie + "=" + ticket + "; b=2":              "a=1; b=2",
			"Cookie: a=1;" + sessionCookie + "=" + ticket + ";cloakroom_device=d": "a=1",
			cookie + "; csrftoken=x; sessionid=of-the-application":                "csrftoken=x; sessionid=of-the-application",
			cookie + "; __Host-bound=1.x; c=3":                                    "c=3",
		} {
			r := f.send(t, protocol, ask{path: "/private", header: []string{sent, "Authorization: Basic YTpi"}})
			s, ok := r.seen()
			if !ok || s.CGI["HTTP_COOKIE"] != want {
				t.Errorf("%.60s: %s, want Cookie: %s", sent, r, want)
			}
			if strings.Contains(string(r.body), ticket) {
				t.Errorf("%.60s: the application sees the ticket", sent)
			}
			if s.CGI["HTTP_AUTHORIZATION"] != "Basic YTpi" {
				t.Errorf("the application's own Authorization is %q", s.CGI["HTTP_AUTHORIZATION"])
			}
		}
	})
}

package session_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// setCookie returns the Set-Cookie lines of an answer, with the ticket replaced by TICKET.
func setCookie(answer *http.Response) []string {
	var lines []string
	for _, line := range answer.Header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		ticket, attributes, _ := strings.Cut(rest, ";")
		if len(ticket) == 43 {
			ticket = "TICKET"
		}
		lines = append(lines, name+"="+ticket+";"+attributes)
	}
	return lines
}

func TestTheCookieIsWrittenToTheLetter(t *testing.T) {
	t.Attr("threat", "K01")
	const day = 24 * time.Hour
	for _, c := range []struct {
		name     string
		m        *session.Manager
		browser  bool
		set, end string
	}{
		{"as it is",
			&session.Manager{}, false,
			"__Host-Http-sessionid=TICKET; Path=/; Expires=Mon, 31 Jan 2000 00:00:00 GMT; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax",
			"__Host-Http-sessionid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"ends with the browser",
			&session.Manager{}, true,
			"__Host-Http-sessionid=TICKET; Path=/; HttpOnly; Secure; SameSite=Lax",
			"__Host-Http-sessionid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		{"plain http on this machine",
			&session.Manager{InsecureHTTP: true}, false,
			"sessionid=TICKET; Path=/; Expires=Mon, 31 Jan 2000 00:00:00 GMT; Max-Age=2592000; HttpOnly; SameSite=Lax",
			"sessionid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; SameSite=Lax"},
		{"strict, another name and lifetime",
			&session.Manager{SameSite: http.SameSiteStrictMode, CookieName: "__Host-coat", Lifetime: day}, false,
			"__Host-coat=TICKET; Path=/; Expires=Sun, 02 Jan 2000 00:00:00 GMT; Max-Age=86400; HttpOnly; Secure; SameSite=Strict",
			"__Host-coat=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Strict"},
		{"to other sites as well",
			&session.Manager{SameSite: http.SameSiteNoneMode}, false,
			"__Host-Http-sessionid=TICKET; Path=/; Expires=Mon, 31 Jan 2000 00:00:00 GMT; Max-Age=2592000; HttpOnly; Secure; SameSite=None",
			"__Host-Http-sessionid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=None"},
	} {
		t.Run(c.name, inBubble(func(t *testing.T) { // where the time is midnight at the beginning of 2000
			m := c.m
			m.Store = newManager().Store
			v := &visitor{t: t, m: m}
			for name, write := range map[string]http.HandlerFunc{
				"sign-in": func(w http.ResponseWriter, r *http.Request) {
					if _, err := m.SignIn(w, r, session.SignIn{User: "1", BrowserSession: c.browser}); err != nil {
						t.Error(err)
					}
				},
				"renewal": func(w http.ResponseWriter, r *http.Request) {
					if _, err := m.Reauthenticate(w, r, session.Reauthentication{}); err != nil {
						t.Error(err)
					}
				},
			} {
				v.signIn(session.SignIn{User: "1", BrowserSession: c.browser})
				if got := setCookie(v.serve(write)); !slices.Equal(got, []string{c.set}) {
					t.Errorf("%s:\n%q, want\n%q", name, got, c.set)
				}
			}
			answer, err := v.signOut()
			if got := setCookie(answer); err != nil || !slices.Equal(got, []string{c.end}) {
				t.Errorf("sign-out: %v\n%q, want\n%q", err, got, c.end)
			}
		}))
	}
}

func inBubble(test func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, test) }
}

func TestSameSiteIsAlwaysSaid(t *testing.T) {
	t.Attr("threat", "K02")
	for mode, want := range map[http.SameSite]string{
		0: "Lax", http.SameSiteDefaultMode: "Lax", http.SameSiteLaxMode: "Lax", http.SameSiteStrictMode: "Strict",
		http.SameSiteNoneMode: "None", 99: "Lax",
	} {
		m := newManager()
		m.SameSite = mode
		v := &visitor{t: t, m: m}
		set := v.serve(func(w http.ResponseWriter, r *http.Request) { _, _ = m.SignIn(w, r, session.SignIn{User: "1"}) })
		end, _ := v.signOut()
		for _, line := range append(setCookie(set), setCookie(end)...) {
			if !strings.HasSuffix(line, "; SameSite="+want) {
				t.Errorf("mode %d: %s", mode, line)
			}
		}
	}
}

func TestTheCookieStaysWithinWhatBrowsersKeep(t *testing.T) {
	t.Attr("threat", "K03")
	m := newManager()
	m.Lifetime = 10 * 365 * 24 * time.Hour
	v := &visitor{t: t, m: m}
	answer := v.serve(func(w http.ResponseWriter, r *http.Request) {
		if _, err := m.SignIn(w, r, session.SignIn{User: strings.Repeat("u", 5000), Method: strings.Repeat("m", 5000)}); err != nil {
			t.Error(err)
		}
	})
	c := answer.Cookies()[0]
	if c.MaxAge != 34_560_000 {
		t.Errorf("Max-Age is %d, want the 400 days that browsers keep a cookie", c.MaxAge)
	}
	if n := len(c.Name + c.Value); n > 4096 {
		t.Errorf("name and value are %d bytes", n)
	}
}

func TestTheTicketIsInTheCookieAlone(t *testing.T) {
	t.Attr("threat", "K04")
	m := newManager()
	log := logTo(m)
	v := &visitor{t: t, m: m}
	returned := ""
	tell := func(s *session.Session, err error) {
		returned += render(s) + render(err)
	}
	tell(v.signIn(session.SignIn{User: "1", Values: session.Values{"k": []byte("1")}}), nil)
	tickets := []string{v.ticket()}
	tell(v.reauthenticate(""))
	tickets = append(tickets, v.ticket())
	tell(v.look())
	m.Store = &watched{Store: m.Store, before: func(string) error { return errOutage }}
	tell(v.look())
	tell(v.reauthenticate(""))
	_, err := v.signOut()
	tell(nil, err)
	for _, ticket := range tickets {
		tellsNothingOf(t, ticket, "what the package returns", returned)
		tellsNothingOf(t, ticket, "the log", log.String())
	}
}

func TestNoAnswerWithACookieMayBeShared(t *testing.T) {
	t.Attr("threat", "K05")
	// visitor checks this for every answer; this test checks that each of the three calls that write a cookie is covered, even over a
	// header that is there already, and that no other call is.
	m := newManager()
	v := &visitor{t: t, m: m}
	shared := func(w http.ResponseWriter) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("Vary", "Accept-Encoding")
	}
	for _, step := range []struct {
		name string
		do   http.HandlerFunc
		sets int
	}{
		{"sign-in", func(w http.ResponseWriter, r *http.Request) { _, _ = m.SignIn(w, r, session.SignIn{User: "1"}) }, 1},
		{"use", func(_ http.ResponseWriter, r *http.Request) { _, _ = session.FromContext(r.Context()) }, 0},
		{"update", func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.FromContext(r.Context())
			_, _ = m.Update(r.Context(), s, func(v session.Values) error { return v.Set("a", 1) })
		}, 0},
		{"renewal", func(w http.ResponseWriter, r *http.Request) {
			_, _ = m.Reauthenticate(w, r, session.Reauthentication{})
		}, 1},
		{"sign-out", func(w http.ResponseWriter, r *http.Request) { _ = m.SignOut(w, r) }, 1},
	} {
		answer := v.serve(func(w http.ResponseWriter, r *http.Request) { shared(w); step.do(w, r) })
		if len(answer.Cookies()) != step.sets {
			t.Errorf("%s sets %v", step.name, answer.Cookies())
		}
		if want := step.sets > 0; want != (answer.Header.Get("Cache-Control") == "no-store") {
			t.Errorf("%s: Cache-Control %q", step.name, answer.Header.Get("Cache-Control"))
		}
		if !slices.Contains(answer.Header.Values("Vary"), "Accept-Encoding") {
			t.Errorf("%s loses what was in Vary", step.name)
		}
	}
}

func TestASessionCanEndWithTheBrowser(t *testing.T) {
	t.Attr("threat", "K09")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		v := &visitor{t: t, m: m}
		answer := v.serve(func(w http.ResponseWriter, r *http.Request) {
			if _, err := m.SignIn(w, r, session.SignIn{User: "1", BrowserSession: true}); err != nil {
				t.Error(err)
			}
		})
		if c := answer.Cookies()[0]; c.MaxAge != 0 || !c.Expires.IsZero() {
			t.Errorf("the cookie is persistent: %v", c)
		}
		// The server doesn't rely on the browser: the limits are shorter too.
		if s, err := v.look(); err != nil || !s.Browser || s.ExpiresAt.Sub(s.CreatedAt) != time.Hour {
			t.Errorf("%+v, %v", s, err)
		}
		// A session that lasts longer has a ticket that can be renewed and revoked.
		v.signIn(session.SignIn{User: "1"})
		old := *v
		s, err := v.reauthenticate("")
		if err != nil || old.alive() || !v.alive() {
			t.Errorf("renewal: %v", err)
		}
		if err := m.Revoke(t.Context(), "1", s.ID); err != nil || v.alive() {
			t.Errorf("revocation: %v", err)
		}
	})
}

func TestCookiesAreSetBeforeTheAnswerBegins(t *testing.T) {
	t.Attr("threat", "A15")
	// visitor notices headers that come too late: none of the calls answers by itself, and what they set goes out.
	m := newManager()
	v := &visitor{t: t, m: m}
	for _, do := range []func(w http.ResponseWriter, r *http.Request) error{
		func(w http.ResponseWriter, r *http.Request) error {
			_, err := m.SignIn(w, r, session.SignIn{User: "1"})
			return err
		},
		func(w http.ResponseWriter, r *http.Request) error {
			_, err := m.Reauthenticate(w, r, session.Reauthentication{})
			return err
		},
		m.SignOut,
	} {
		answer := v.serve(func(w http.ResponseWriter, r *http.Request) {
			if err := do(w, r); err != nil {
				t.Error(err)
			}
			if w.(*strictWriter).sent != nil {
				t.Error("the answer has begun")
			}
			w.WriteHeader(http.StatusAccepted)
		})
		if answer.StatusCode != http.StatusAccepted || len(answer.Cookies()) != 1 {
			t.Errorf("%d %v", answer.StatusCode, answer.Header)
		}
	}
}

func TestTheResponseWriterIsNotWrapped(t *testing.T) {
	m := newManager()
	w := httptest.NewRecorder()
	m.Handler(http.HandlerFunc(func(inner http.ResponseWriter, _ *http.Request) {
		if inner != http.ResponseWriter(w) {
			t.Errorf("the handler gets a %T", inner)
		}
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
}

package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/storetest"
)

// counting returns stores in memory, and a plan that lists the calls to them.
func counting(t *testing.T) (func(*testing.T) stores, *storetest.FaultPlan) {
	plan, inner := &storetest.FaultPlan{}, inMemory(t)
	return func(*testing.T) stores { return faulty(inner, plan) }, plan
}

// since returns the calls to the stores during f.
func since(plan *storetest.FaultPlan, f func()) []string {
	before := len(plan.Calls())
	f()
	return plan.Calls()[before:]
}

// isSignedIn reports whether a response to GET /api/me describes a user.
func isSignedIn(a *answer) bool { return a.StatusCode == 200 }

// TestAMalformedTicketNeverReachesTheStore: every text without the form of a ticket gets the same response, without a call to the
// store.
func TestAMalformedTicketNeverReachesTheStore(t *testing.T) {
	t.Attr("threat", "S08")
	t.Attr("threat", "A9")
	t.Attr("threat", "A11")
	open, plan := counting(t)
	s := start(t, options{stores: open})
	ticket := s.as(s.user("ada")).ticket()
	bad := []string{
		"", `""`, "x", "../../etc/passwd", "' OR 1=1 --", strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("A", 4000),
		ticket[:42], ticket + "A", ticket + "=", ticket + ".", "." + ticket, ticket[:42] + "+", ticket[:42] + "/", `"` + ticket + `"`,
		ticket[:20] + "%41" + ticket[21:], ticket[:20] + "\\" + ticket[21:], ticket[:21] + "." + ticket[22:], "%" + ticket[1:], ticket + ticket,
		nonCanonical(ticket), "null", "undefined", "[object Object]", strings.Repeat("0", 43) + "\t; a=b", "é" + ticket[2:],
	}
	for n := range len(ticket) {
		bad = append(bad, ticket[:n])
	}
	for _, value := range bad {
		for _, method := range []string{"GET", "HEAD"} {
			var r *answer
			calls := since(plan, func() { r = s.client().send(method, "/api/me", nil, "Cookie: sessionid="+value) })
			if !isProblem(r, 401, "not_authenticated") || len(calls) > 0 || len(r.Cookies()) > 0 {
				t.Errorf("%q: got %d %s, calls %q", value, r.StatusCode, r.body, calls)
			}
		}
	}
	// A changed ticket isn't valid: with another letter, in another case, or reversed.
	for n := range len(ticket) {
		for _, changed := range []string{ticket[:n] + other(ticket[n]) + ticket[n+1:], ticket[:n] + swapCase(ticket[n]) + ticket[n+1:]} {
			if changed == ticket {
				continue
			}
			if r := s.client().hold(changed).send("GET", "/api/me", nil); r.StatusCode != 401 {
				t.Errorf("%q for %q: got %d", changed, ticket, r.StatusCode)
			}
		}
	}
	for _, whole := range []string{strings.ToUpper(ticket), strings.ToLower(ticket), reversed(ticket)} {
		if r := s.client().hold(whole).send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("%q for %q: got %d", whole, ticket, r.StatusCode)
		}
	}
	if r := s.client().hold(ticket).send("GET", "/api/me", nil); !isSignedIn(r) {
		t.Errorf("the unchanged ticket: got %d", r.StatusCode)
	}
}

const ticketLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// nonCanonical returns another text that a lax decoder decodes to the same 256 bits, since the last letter has two unused bits.
func nonCanonical(ticket string) string {
	last := strings.IndexByte(ticketLetters, ticket[42])
	return ticket[:42] + string(ticketLetters[last^1])
}

func other(letter byte) string {
	if letter == 'A' {
		return "E"
	}
	return "A"
}

func swapCase(letter byte) string {
	if s := string(letter); strings.ToUpper(s) != s {
		return strings.ToUpper(s)
	} else {
		return strings.ToLower(s)
	}
}

// TestARequestWithoutATicketReadsNoStore, on the routes that require one. A request with a ticket reads the session and the
// account once.
func TestARequestWithoutATicketReadsNoStore(t *testing.T) {
	open, plan := counting(t)
	s := start(t, options{stores: open, next: appBehind(t)})
	c, u := s.client(), s.user("ada")
	for path, methods := range methods() {
		if path == "/readyz" || path == "/api/auth/setup" || path == "/.well-known/jwks.json" {
			continue // they read the store for any caller
		}
		for _, method := range append(methods, "PUT") {
			if calls := since(plan, func() { c.send(method, path, nil) }); len(calls) > 0 {
				t.Errorf("%s %s by a visitor: %q", method, path, calls)
			}
		}
	}
	user := s.as(u)
	for path, want := range map[string][]string{
		"/api/me":             {"session.Load", "account.Load"},
		"/api/me?slide=false": {"session.Load", "account.Load"},
		"/api/auth/me":        {"session.Load", "account.Load"},
		"/api/auth/csrf":      {"session.Load", "account.Load"},
		"/healthz":            nil,
		"/api/auth/x":         nil,
		"/orders":             nil,
	} {
		if calls := since(plan, func() { user.send("GET", path, nil) }); !slices.Equal(calls, want) {
			t.Errorf("GET %s by a user: %q, not %q", path, calls, want)
		}
	}
}

// TestAnUnknownTicketIsNeverAdopted: a sign-in over a planted ticket doesn't use it for the new session.
func TestAnUnknownTicketIsNeverAdopted(t *testing.T) {
	t.Attr("threat", "S06")
	t.Attr("threat", "A1")
	s := start(t, options{})
	u := s.user("ada")
	planted := anyTicket()
	c := s.client().hold(planted)
	if r := c.send("GET", "/api/me", nil); !isProblem(r, 401, "session_ended") || len(r.Cookies()) > 0 {
		t.Errorf("got %d %s, cookies %v", r.StatusCode, r.body, r.Cookies())
	}
	if !s.logged(`"msg":"session_use_after_expire"`, `"reason":"unknown"`) {
		t.Error("the unknown ticket was not logged")
	}
	for _, send := range []func() *answer{
		func() *answer { return c.login("ada", goodPassword) },
		func() *answer { return c.send("POST", "/api/auth/login", nil, basic("ada", goodPassword)) },
	} {
		c.hold(planted)
		if r := send(); r.StatusCode != 200 || c.ticket() == planted {
			t.Errorf("%d, the ticket %q", r.StatusCode, c.ticket())
		}
		if r := s.client().hold(planted).send("GET", "/api/me", nil); r.StatusCode != 401 {
			t.Errorf("the planted ticket: got %d", r.StatusCode)
		}
	}
	if n := len(s.records(u.ID)); n != 2 {
		t.Errorf("there are %d sessions", n)
	}
}

func TestTheTicketIsAcceptedInTheCookieOnly(t *testing.T) {
	t.Attr("threat", "S07")
	s := start(t, options{})
	ticket := s.as(s.user("ada")).ticket()
	c := s.client()
	for _, path := range []string{"/api/me?sessionid=" + ticket, "/api/me?sid=" + ticket, "/api/me?token=" + ticket + "&ticket=" + ticket, "/api/me/;sessionid=" + ticket} {
		if r := c.send("GET", path, nil); isSignedIn(r) {
			t.Errorf("%s: got %d", path, r.StatusCode)
		}
	}
	for _, header := range []string{
		"Authorization: Session " + ticket, "Authorization: Bearer " + ticket, "Authorization: Token " + ticket, "Authorization: " + ticket,
		"X-Session-Token: " + ticket, "X-Session-Id: " + ticket, "Sessionid: " + ticket, "Cookie2: sessionid=" + ticket, "X-Cookie: sessionid=" + ticket,
	} {
		if r := c.send("GET", "/api/me", nil, header); isSignedIn(r) {
			t.Errorf("%s: got %d", header, r.StatusCode)
		}
	}
	r := c.raw("POST", "/api/auth/logout", strings.NewReader(`{"sessionid":"`+ticket+`"}`), "Content-Type: application/json")
	if r.StatusCode != 400 {
		t.Errorf("a ticket in a body: got %d", r.StatusCode)
	}
	if r := s.client().hold(ticket).send("GET", "/api/me", nil); !isSignedIn(r) {
		t.Errorf("the session ended: got %d", r.StatusCode)
	}
}

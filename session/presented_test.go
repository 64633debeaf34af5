package session_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// unknownTicket is well formed and names no session.
const unknownTicket = "c3RyYW5nZXJzIGNhbid0IHBpY2sgdGhlaXIgdGlja2U"

func TestOnlyTheWholeTicketCounts(t *testing.T) {
	t.Attr("threat", "A11")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	ticket := ann.ticket()
	for _, altered := range alterations(ticket) {
		if (&visitor{t: t, m: m, cookie: session.CookieName + "=" + altered}).alive() {
			t.Errorf("%q passes for %q", altered, ticket)
		}
	}
	if !ann.alive() {
		t.Error("the ticket itself doesn't")
	}
}

// alterations returns every proper prefix and suffix, every change of one character, an added or doubled character, other
// cases, and texts that other decoders of base64 would take for the same bytes.
func alterations(ticket string) []string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~ \t\"%,"
	var all []string
	for i := range ticket {
		all = append(all, ticket[:i], ticket[i+1:], ticket[:i]+ticket[i+1:], ticket[:i]+ticket[i:i+1]+ticket[i:])
		for _, c := range alphabet {
			all = append(all, ticket[:i]+string(c)+ticket[i+1:], ticket[:i]+string(c)+ticket[i:])
		}
		other := strings.ToLower(ticket[i : i+1])
		if other == ticket[i:i+1] {
			other = strings.ToUpper(other)
		}
		all = append(all, ticket[:i]+other+ticket[i+1:])
	}
	for _, c := range alphabet {
		all = append(all, ticket+string(c))
	}
	secret, _ := base64.RawURLEncoding.DecodeString(ticket)
	all = append(all, strings.ToLower(ticket), strings.ToUpper(ticket), ticket+"=", base64.URLEncoding.EncodeToString(secret),
		base64.StdEncoding.EncodeToString(secret), fmt.Sprintf("%x", secret), url.QueryEscape(string(secret)))
	// The cookie syntax drops a trailing blank, and a change may leave the text as it is.
	kept := all[:0]
	for _, a := range all {
		if strings.TrimRight(a, " ") != ticket {
			kept = append(kept, a)
		}
	}
	return kept
}

func TestAnAlteredCopyChangesNothing(t *testing.T) {
	t.Attr("threat", "S03")
	m := newManager()
	ann := &visitor{t: t, m: m}
	s := ann.signIn(session.SignIn{User: "1", Values: session.Values{"role": []byte(`"guest"`)}})
	before := fmt.Sprint(*rows(t, m.Store)[0])
	for _, more := range []string{"; user=2", "; role=admin", "; " + session.CookieName + ".user=2", "; sessionid=" + unknownTicket} {
		copied := &visitor{t: t, m: m, cookie: ann.cookie + more}
		got, err := copied.look()
		if err != nil || got == nil || got.User != "1" || got.ID != s.ID || string(got.Values()["role"]) != `"guest"` {
			t.Errorf("with %q: %+v, %v", more, got, err)
		}
	}
	if after := fmt.Sprint(*rows(t, m.Store)[0]); after != before {
		t.Errorf("the store went from %s to %s", before, after)
	}
}

func TestAnUnknownTicketIsNotAdopted(t *testing.T) {
	t.Attr("threat", "S06")
	m := newManager()
	log := logTo(m)
	v := &visitor{t: t, m: m, cookie: session.CookieName + "=" + unknownTicket}
	answer := v.serve(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := session.FromContext(r.Context()); s != nil || err != nil || !session.RequestFrom(r.Context()).HasTicket() {
			t.Errorf("%v, %v, presented %v", s, err, session.RequestFrom(r.Context()).HasTicket())
		}
	})
	if len(answer.Header) != 0 || v.ticket() != unknownTicket {
		t.Errorf("the answer touches the cookie: %v", answer.Header)
	}
	if len(rows(t, m.Store)) != 0 {
		t.Error("there is a row")
	}
	if !strings.Contains(log.String(), `"session_use_after_expire","reason":"unknown"`) {
		t.Errorf("the log says %s", log)
	}
}

func TestSignInNeverTakesTheTicketItWasOffered(t *testing.T) {
	t.Attr("threat", "A1")
	m := newManager()
	v := &visitor{t: t, m: m, cookie: session.CookieName + "=" + unknownTicket}
	v.alive()
	v.signIn(session.SignIn{User: "1"})
	if v.ticket() == unknownTicket || !v.alive() {
		t.Errorf("the ticket is %q", v.ticket())
	}
	if (&visitor{t: t, m: m, cookie: session.CookieName + "=" + unknownTicket}).alive() || len(rows(t, m.Store)) != 1 {
		t.Error("the offered ticket opens a session")
	}
}

func TestTheTicketIsAcceptedInTheCookieOnly(t *testing.T) {
	t.Attr("threat", "S07")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	ticket := ann.ticket()
	form := url.Values{session.CookieName: {ticket}, "sessionid": {ticket}, "sid": {ticket}}.Encode()
	posted := httptest.NewRequest("POST", "/?"+form, strings.NewReader(form))
	posted.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	headers := httptest.NewRequest("GET", "/"+ticket+";jsessionid="+ticket, nil)
	for _, name := range []string{"X-Session-Token", "X-Session", "X-Auth-Token", "Session", session.CookieName, "Set-Cookie", "Cookie2"} {
		headers.Header.Set(name, ticket)
		headers.Header.Add(name, session.CookieName+"="+ticket)
	}
	bearer := httptest.NewRequest("GET", "/", nil)
	for _, scheme := range []string{"Bearer ", "Token ", "Session ", ""} {
		bearer.Header.Add("Authorization", scheme+ticket)
	}
	basic := httptest.NewRequest("GET", "/", nil)
	basic.SetBasicAuth(ticket, ticket)
	otherName := httptest.NewRequest("GET", "/", nil)
	otherName.Header.Set("Cookie", "sessionid="+ticket+"; sid="+ticket+"; __Host-sessionid="+ticket)
	for name, r := range map[string]*http.Request{"form": posted, "headers": headers, "bearer": bearer, "basic": basic, "other cookies": otherName} {
		(&visitor{t: t, m: m}).send(r, func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s != nil || err != nil || session.RequestFrom(r.Context()).HasTicket() {
				t.Errorf("%s: %v, %v", name, s, err)
			}
		})
	}
}

func TestTheEmptyTicketOpensNothing(t *testing.T) {
	t.Attr("threat", "A8")
	m := newManager()
	if err := m.Store.Create(t.Context(), &session.Record{PublicID: "planted", User: "1", Expires: 1 << 40, Deadline: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", `""`, " ", "=", "''"} {
		if (&visitor{t: t, m: m, cookie: session.CookieName + "=" + value}).alive() {
			t.Errorf("%q opens the session with the empty ID", value)
		}
	}
	if (&visitor{t: t, m: m, cookie: session.CookieName}).alive() {
		t.Error("a cookie without a value opens it")
	}
}

var ticketForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// FuzzTicket checks that only texts that New could have made reach the store.
func FuzzTicket(f *testing.F) {
	for _, seed := range []string{
		unknownTicket, unknownTicket[:42] + "V", unknownTicket[:42], unknownTicket + "A", unknownTicket + "=", unknownTicket[:42] + "\n",
		"\r" + unknownTicket[1:], strings.Repeat("A", 43), strings.Repeat("_", 43), strings.Repeat("+", 43), strings.Repeat("\n", 43),
		"", `"` + unknownTicket + `"`, unknownTicket[:40] + "\x00\xff=", strings.Repeat("A", 42) + "B", unknownTicket[:20] + ";" + unknownTicket[20:],
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		asked := &asking{}
		m := &session.Manager{Store: asked}
		v := &visitor{t: t, m: m, cookie: session.CookieName + "=" + text}
		v.alive()
		reached := asked.id != session.ID{}
		value, _, _ := strings.Cut(text, ";")
		value = strings.TrimRight(value, " ")
		b, err := base64.RawURLEncoding.DecodeString(value)
		wellFormed := ticketForm.MatchString(value) && err == nil && base64.RawURLEncoding.EncodeToString(b) == value
		if reached && !wellFormed {
			t.Errorf("%q reaches the store", value)
		}
		if wellFormed && !reached && !strings.Contains(text, ";") {
			t.Errorf("%q is a ticket and doesn't reach the store", value)
		}
	})
}

package session_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/session"
)

// accepting is a store that accepts every session and stores none, for tests that make very many.
type accepting struct{ session.Store }

func (accepting) Create(context.Context, *session.Record) error { return nil }

func TestTicketsAreUniqueAndRandom(t *testing.T) {
	t.Attr("threat", "S01")
	count := 200_000
	if os.Getenv("CLOAKROOM_LONG") != "" {
		count = 1_000_000
	}
	m := &session.Manager{Store: accepting{}}
	r := httptest.NewRequest("POST", "/", nil)
	seen := make(map[[32]byte]bool, count)
	var set, changed [256]int
	var last [32]byte
	for range count {
		w := nowhere{http.Header{}}
		if _, err := m.SignIn(w, r, session.SignIn{User: "1"}); err != nil {
			t.Fatal(err)
		}
		value, _, _ := strings.Cut(strings.TrimPrefix(w.header.Get("Set-Cookie"), session.CookieName+"="), ";")
		b, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil || len(b) != 32 {
			t.Fatalf("ticket %q is not 256 bits", value)
		}
		ticket := [32]byte(b)
		seen[ticket] = true
		for i := range 256 {
			set[i] += int(ticket[i/8] >> (i % 8) & 1)
			changed[i] += int((ticket[i/8] ^ last[i/8]) >> (i % 8) & 1)
		}
		last = ticket
	}
	if len(seen) != count {
		t.Errorf("%d different tickets of %d", len(seen), count)
	}
	// Each bit is set half of the time, and differs from the ticket before half of the time. Seven standard deviations
	// don't happen by chance in 512 looks.
	bound := 7 * math.Sqrt(float64(count)) / 2
	for bit := range 256 {
		for what, n := range map[string]int{"is set": set[bit], "changes": changed[bit]} {
			if math.Abs(float64(n)-float64(count)/2) > bound {
				t.Errorf("bit %d %s in %d of %d tickets", bit, what, n, count)
			}
		}
	}
}

// randomness replaces the operating system's randomness for the rest of the test.
func randomness(t *testing.T, source io.Reader) {
	before := rand.Reader
	rand.Reader = source
	t.Cleanup(func() { rand.Reader = before })
}

// exhausted returns this many zero bytes and then fails.
type exhausted int

func (e *exhausted) Read(b []byte) (int, error) {
	n := min(len(b), int(*e))
	*e -= exhausted(n)
	clear(b[:n])
	if n < len(b) {
		return n, errors.New("no entropy")
	}
	return n, nil
}

func TestWithoutRandomnessASignInFails(t *testing.T) {
	t.Attr("threat", "A13")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	before := fmt.Sprint(*rows(t, m.Store)[0])
	for _, bytes := range []int{0, 1, 31, 32, 40, 47} {
		for name, attempt := range map[string]func(w http.ResponseWriter, r *http.Request){
			"sign-in": func(w http.ResponseWriter, r *http.Request) { _, _ = m.SignIn(w, r, session.SignIn{User: "1"}) },
			"renewal": func(w http.ResponseWriter, r *http.Request) {
				_, _ = m.Reauthenticate(w, r, session.Reauthentication{Epoch: "1"})
			},
		} {
			if name == "renewal" && bytes >= 32 {
				continue // it needs no more than that
			}
			source := exhausted(bytes)
			randomness(t, &source)
			answer := ann.serve(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					if recover() == nil {
						t.Errorf("%s went on with %d random bytes", name, bytes)
					}
				}()
				attempt(w, r)
			})
			if answer.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s set a cookie", name)
			}
		}
	}
	if all := rows(t, m.Store); len(all) != 1 || fmt.Sprint(*all[0]) != before {
		t.Errorf("the store holds %v, before it was %v", all, before)
	}
}

func TestATicketDependsOnRandomnessAlone(t *testing.T) {
	t.Attr("threat", "S02")
	// With the same randomness two people, at two times, from two places and in two ways, get the same ticket:
	// nothing else goes into it.
	var tickets []string
	for _, in := range []session.SignIn{
		{User: "1", Method: "password", Fresh: true, Address: "192.0.2.1"},
		{User: "2", Epoch: "7", Method: "basic", BrowserSession: true, Values: session.Values{"a": []byte("1")}},
	} {
		randomness(t, mathrand.NewChaCha8([32]byte{1}))
		v := &visitor{t: t, m: newManager()}
		v.signIn(in)
		tickets = append(tickets, v.ticket())
	}
	if tickets[0] != tickets[1] {
		t.Errorf("tickets differ: %q", tickets)
	}
}

func TestNothingButATicketOpensASession(t *testing.T) {
	t.Attr("threat", "S04")
	m := newManager()
	ann := &visitor{t: t, m: m}
	s := ann.signIn(session.SignIn{User: "1"})
	r := rows(t, m.Store)[0]
	for name, guess := range map[string]string{
		"nothing":              "",
		"zeros":                base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
		"the public ID":        s.ID,
		"a padded public ID":   s.ID + strings.Repeat("A", 43-len(s.ID)),
		"what the store knows": base64.RawURLEncoding.EncodeToString(r.ID[:]),
		"that in hex":          fmt.Sprintf("%x", r.ID),
		"the version":          r.Version,
		"the user":             r.User,
	} {
		thief := &visitor{t: t, m: m, cookie: session.CookieName + "=" + guess}
		if thief.alive() {
			t.Errorf("%s opens the session", name)
		}
	}
	if !ann.alive() {
		t.Error("the ticket itself doesn't")
	}
}

func TestTheStoreAndTheLogHoldNoTicket(t *testing.T) {
	t.Attr("threat", "S09")
	m := newManager()
	m.Accounts = &accounts{epochs: map[string]string{"1": "1"}}
	log := logTo(m)
	ann := &visitor{t: t, m: m}
	var issued []string
	var dump strings.Builder
	note := func() {
		issued = append(issued, ann.ticket())
		for _, r := range rows(t, m.Store) {
			fmt.Fprintf(&dump, "%#v %x %s %s\n", r, r.ID, r.ID[:], base64.RawURLEncoding.EncodeToString(r.ID[:]))
		}
	}
	s := ann.signIn(session.SignIn{User: "1", Fresh: true, Values: session.Values{"k": []byte(`"v"`)}})
	fmt.Fprintf(&dump, "%+v %#v", s, s.Values())
	note()
	if _, err := ann.reauthenticate("1"); err != nil {
		t.Fatal(err)
	}
	note()
	if again := ann.signIn(session.SignIn{User: "1"}); !slices.ContainsFunc(rows(t, m.Store), func(r *session.Record) bool { return r.PublicID == again.ID }) {
		t.Fatal("no row for the session")
	}
	note()
	for _, old := range issued {
		(&visitor{t: t, m: m, cookie: session.CookieName + "=" + old}).alive()
	}
	if _, err := ann.signOut(); err != nil {
		t.Fatal(err)
	}
	for _, ticket := range issued {
		tellsNothingOf(t, ticket, "the store", dump.String())
		tellsNothingOf(t, ticket, "the log", log.String())
	}
}

func TestHostileTextNeverReachesTheStore(t *testing.T) {
	t.Attr("threat", "S08")
	m := newManager()
	ann := &visitor{t: t, m: m}
	ann.signIn(session.SignIn{User: "1"})
	ticket := ann.ticket()
	m.Store = &watched{Store: m.Store, before: func(method string) error {
		t.Errorf("the store was asked: %s", method)
		return errOutage
	}}
	for _, text := range []string{
		"", `""`, " ", "\x00", ticket + "\x00", "\x00" + ticket, "../" + ticket[3:], "../../../../../../../../etc/passwd",
		strings.Repeat("../", 14) + "x", `\..\..\` + ticket[7:], "' OR 1=1 --" + ticket[11:], "1; DROP TABLE sessions", `"` + ticket + `"`,
		ticket[:21] + ";" + ticket[21:], ticket + "," + ticket, ticket + "=", ticket + "==", "%41" + ticket[1:], "%41" + ticket[3:],
		strings.ToValidUTF8(ticket[:40]+"\xff\xfe\xfd", "?"), ticket[:42] + "ä", ticket[:41] + "ä", ticket[:42] + "\n", ticket[:42] + "\r",
		ticket + "\n", ticket + "\r\n", "\n" + ticket, ticket[:20] + "\r\n" + ticket[20:], ticket[:20] + "\n" + ticket[21:], ticket[:42] + "+", ticket[:42] + "/",
		strings.Repeat("A", 42), strings.Repeat("A", 44), strings.Repeat("A", 1<<20), strings.Repeat("\n", 43),
	} {
		v := &visitor{t: t, m: m, cookie: session.CookieName + "=" + text}
		answer := v.serve(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.FromContext(r.Context()); s != nil || err != nil || session.RequestFrom(r.Context()).HasTicket() {
				t.Errorf("%.50q: %v, %v", text, s, err)
			}
			empty := strings.Trim(text, " ") == ""
			if err := m.SignOut(w, r); empty && err != nil || !empty && !errors.Is(err, session.ErrNotATicket) {
				t.Errorf("%.50q: sign out: %v", text, err)
			}
		})
		// A cookie that could not be read stays: perhaps it names a session that lives on.
		if c := answer.Cookies(); strings.Trim(text, " ") != "" && len(c) != 0 {
			t.Errorf("%.50q: the sign-out set %v", text, c)
		}
	}
}

func TestTheStoreIsAskedByHash(t *testing.T) {
	t.Attr("threat", "A12")
	asked := &asking{}
	m := &session.Manager{Store: asked}
	ticket := base64.RawURLEncoding.EncodeToString([]byte("a secret of thirty-two bytes !!!"))
	(&visitor{t: t, m: m, cookie: session.CookieName + "=" + ticket}).alive()
	if want := sha256.Sum256([]byte("a secret of thirty-two bytes !!!")); asked.id != want {
		t.Errorf("asked for %x, want the SHA-256 of the secret, %x", asked.id, want)
	}
}

// asking is an empty store that remembers what it was asked for.
type asking struct {
	session.Store
	id session.ID
}

func (a *asking) Load(_ context.Context, id session.ID) (*session.Record, error) {
	a.id = id
	return nil, session.ErrNotFound
}

// TestPublicIDsAreNotFlags: people give them to commands, which take a text that begins with "-" for a flag.
func TestPublicIDsAreNotFlags(t *testing.T) {
	m := &session.Manager{Store: accepting{}}
	for range 1000 {
		s := (&visitor{t: t, m: m}).signIn(session.SignIn{User: "1"})
		if len(s.ID) != 26 || strings.Trim(s.ID, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Fatalf("public ID %q", s.ID)
		}
	}
}

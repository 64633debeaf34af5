package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// fail records failures of a name from an address, without hashing.
func (s *server) fail(n int, name, address string) {
	s.t.Helper()
	a := throttle.Attempt{Name: "name:" + account.CanonicalLogin(name), Address: netip.MustParseAddr(address)}
	if u, err := s.stores.Accounts.Find(s.t.Context(), account.CanonicalLogin(name)); err == nil {
		a.Account = "user:" + u.ID
	}
	for range n {
		try, err := s.api.Accounts.Guard.Reserve(s.t.Context(), a)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := try.Failed(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestASuccessResetsTheCountOfFailures: nine wrong passwords and a right one can be repeated without end.
func TestASuccessResetsTheCountOfFailures(t *testing.T) {
	t.Attr("threat", "G01")
	s := start(t, options{})
	u := s.user("ada")
	for range 3 {
		s.fail(9, u.Username, "127.0.0.1")
		if r := s.client().login("ada", goodPassword); r.StatusCode != 200 {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
	}
	s.fail(9, u.Username, "127.0.0.1")
	if r := s.client().login("ada", "wrong"); r.StatusCode != 401 {
		t.Errorf("the tenth: got %d", r.StatusCode)
	}
	r := s.client().login("ada", goodPassword)
	wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if !isProblem(r, 429, "throttled") || err != nil || wait < 1 || wait > 60 ||
		r.field("detail") != fmt.Sprintf("Request was throttled. Expected available in %d seconds.", wait) {
		t.Errorf("the eleventh: got %d %s, Retry-After %q", r.StatusCode, r.body, r.Header.Get("Retry-After"))
	}
}

// TestParallelGuessesCantOutrunTheCount: of 200 parallel guesses, ten are checked.
func TestParallelGuessesCantOutrunTheCount(t *testing.T) {
	t.Attr("threat", "G02")
	t.Attr("threat", "F6")
	onEachStore(t, func(t *testing.T, open func(*testing.T) stores) {
		s := start(t, options{stores: open})
		s.api.Accounts.Hasher.Wait = time.Minute
		s.user("ada")
		s.client().send("GET", "/healthz", nil)
		var looked, refused atomic.Int32
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				switch r := s.client().login("ada", "wrong"); r.StatusCode {
				case 401:
					looked.Add(1)
				case 429:
					refused.Add(1)
				default:
					t.Errorf("got %d %s", r.StatusCode, r.body)
				}
			})
		}
		all.Wait()
		if looked.Load() != 10 || refused.Load() != 190 {
			t.Errorf("%d guesses were checked and %d refused, want 10 and 190", looked.Load(), refused.Load())
		}
	})
}

// TestAllSpellingsOfANameShareOneCount: case, width, composition and blanks make no difference.
func TestAllSpellingsOfANameShareOneCount(t *testing.T) {
	t.Attr("threat", "F5")
	s := start(t, options{})
	s.user("josé")
	u, err := s.stores.Accounts.Find(t.Context(), account.CanonicalLogin("josé"))
	if err != nil {
		t.Fatal(err)
	}
	s.fail(10, u.Username, "192.0.2.1")
	for _, login := range []string{
		"josé", "JOSÉ", "Jose\u0301", "ｊｏｓé", " josé ", "Jo\u017fé",
	} {
		for _, r := range []*answer{s.client().login(login, goodPassword), s.client().send("POST", "/api/auth/login", nil, basic(login, goodPassword))} {
			if r.StatusCode != 429 {
				t.Errorf("%q: got %d %s", login, r.StatusCode, r.body)
			}
		}
	}
	// The responses to the e-mail address don't reveal that it is the same account's, but it gives no further guesses.
	for _, login := range []string{"josé@example.com", "JOSÉ@EXAMPLE.COM", "josé@EXAMPLE.com", " josé@example.com "} {
		r := s.client().login(login, goodPassword)
		if !isProblem(r, 401, "invalid_credentials") || !s.logged("authn_login_lock", strings.TrimSpace(login)) {
			t.Errorf("%q: got %d %s", login, r.StatusCode, r.body)
		}
	}
	other := start(t, options{})
	other.user("ada")
	other.fail(10, "unknown", "192.0.2.1")
	for _, login := range []string{"unknown", "UnKnown", "ＵＮＫＮＯＷＮ"} { // unknown names are counted in the same way
		if r := other.client().login(login, "x"); r.StatusCode != 429 {
			t.Errorf("%q: got %d", login, r.StatusCode)
		}
	}
}

// TestSprayingIsCountedByAddress: after a hundred failures from one address, with any names, further ones are refused. The header
// of a trusted proxy distinguishes addresses; the header of any other client is ignored.
func TestSprayingIsCountedByAddress(t *testing.T) {
	t.Attr("threat", "G03")
	for name, trusted := range map[string][]string{"behind a trusted proxy": {"127.0.0.1"}, "directly": nil} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{trusted: trusted})
			s.user("ada")
			peer := "127.0.0.1"
			if trusted != nil {
				peer = "192.0.2.7"
			}
			for n := range 100 {
				s.fail(1, fmt.Sprint("name", n), peer)
			}
			from := func(header ...string) int {
				return s.client().send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": goodPassword}, header...).StatusCode
			}
			if got := from("X-Forwarded-For: 192.0.2.7"); got != 429 {
				t.Errorf("the same address: %d", got)
			}
			elsewhere := from("X-Forwarded-For: 192.0.2.8")
			if trusted != nil && elsewhere != 200 || trusted == nil && elsewhere != 429 {
				t.Errorf("another address: %d", elsewhere)
			}
			for _, header := range []string{"X-Real-IP: 192.0.2.9", "Forwarded: for=192.0.2.9", "True-Client-IP: 192.0.2.9", "X_Forwarded_For: 192.0.2.9", "Client-IP: 192.0.2.9"} {
				if got := from(header, "X-Forwarded-For: 192.0.2.7"); got != 429 {
					t.Errorf("%s: %d", header, got)
				}
			}
			if got := from("X-Forwarded-For: 192.0.2.9, 192.0.2.7"); got != 429 {
				t.Errorf("a forged entry: %d", got)
			}
		})
	}
}

// TestTheOwnersDeviceCantBeLockedOut: a known device can sign in even if the guesses of the account and of the address are used
// up. Its cookie can't be forged, and isn't valid for another account.
func TestTheOwnersDeviceCantBeLockedOut(t *testing.T) {
	t.Attr("threat", "G04")
	t.Attr("threat", "A16")
	s := start(t, options{})
	ada := s.user("ada")
	s.user("bob")
	device := s.signedIn("ada").cookie("cloakroom_device")
	id, mac, _ := strings.Cut(device, ".")
	bobs := s.signedIn("bob").cookie("cloakroom_device")
	s.fail(10, "ada", "192.0.2.1")
	s.fail(10, "bob", "192.0.2.1")
	login := func(cookie string) *answer {
		return s.client().send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": goodPassword}, "Cookie: "+cookie)
	}
	const name = "cloakroom_device="
	none := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	for what, cookie := range map[string]string{
		"none": "x=y", "another user's": name + bobs, "a MAC of nothing": name + id + "." + none, "no MAC": name + id, "an empty MAC": name + id + ".",
		"no ID": name + "." + mac, "a cut MAC": name + id + "." + mac[:42], "another ID": name + "A" + id[1:] + "." + mac, "the user": name + ada.ID + "." + ada.Username,
		"two": name + device + "; " + name + device, "one of two": name + bobs + "; " + name + device, "a longer ID": name + id + "." + ada.ID + "." + mac,
		"in capitals": strings.ToUpper(name) + device,
	} {
		if r := login(cookie); !isProblem(r, 429, "throttled") {
			t.Errorf("%s: got %d %s", what, r.StatusCode, r.body)
		}
	}
	r := login(name + device)
	if r.StatusCode != 200 || r.cookie("cloakroom_device") != nil {
		t.Errorf("the device: got %d %s, and the device cookie %v", r.StatusCode, r.body, r.cookie("cloakroom_device"))
	}
	for n := range 11 { // the device has guesses of its own, whose number is limited too
		r = s.client().send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": "wrong"}, "Cookie: "+name+device)
		if (n < 10 && r.StatusCode != 401) || (n == 10 && r.StatusCode != 429) {
			t.Errorf("wrong password %d: got %d", n+1, r.StatusCode)
		}
	}
}

// TestGuessesDontLockOutTheOpenerOfAResetLink: guesses at the former password are counted apart from that browser.
func TestGuessesDontLockOutTheOpenerOfAResetLink(t *testing.T) {
	t.Attr("threat", "G04")
	s := start(t, options{})
	u := s.user("ada")
	s.fail(10, "ada", "192.0.2.1")
	owner := s.client()
	ok(t, owner.send("POST", "/api/auth/password/reset", resetting(s.resetSecret(u), newPassword)))
	if r := s.client().login("ada", newPassword); !isProblem(r, 429, "throttled") {
		t.Errorf("another browser: got %d %s", r.StatusCode, r.body)
	}
	ok(t, owner.login("ada", newPassword))
}

// guessFrom sends a wrong password for ada, as a browser that has this device cookie.
func (s *server) guessFrom(device string) int {
	return s.client().send("POST", "/api/auth/login", map[string]string{"username": "ada", "password": "wrong"}, "Cookie: cloakroom_device="+device).StatusCode
}

func TestDeviceCookiesAreVoidOnceThePasswordHasChanged(t *testing.T) {
	t.Attr("threat", "G04")
	s := start(t, options{})
	s.user("ada")
	var old []string
	for range 4 {
		old = append(old, s.signedIn("ada").cookie("cloakroom_device"))
	}
	c := s.signedIn("ada")
	before := c.cookie("cloakroom_device")
	r := c.send("POST", "/api/auth/password/change", map[string]string{"current_password": goodPassword, "new_password": newPassword})
	if r.StatusCode != 200 || c.cookie("cloakroom_device") == before {
		t.Fatalf("got %d %s; the cookie of who changed it: %q before, %q after", r.StatusCode, r.body, before, c.cookie("cloakroom_device"))
	}
	s.fail(10, "ada", "192.0.2.1")
	for _, device := range append(old, before) {
		if status := s.guessFrom(device); status != 429 {
			t.Errorf("a cookie from before the change: %d", status)
		}
	}
	if status := s.guessFrom(c.cookie("cloakroom_device")); status != 401 {
		t.Errorf("the browser that changed the password: %d", status)
	}
}

func TestDeviceCookiesOfOneAccountGiveABoundedNumberOfGuesses(t *testing.T) {
	t.Attr("threat", "G04")
	s := start(t, options{})
	s.user("ada")
	devices := map[string]bool{}
	for range 40 {
		devices[s.signedIn("ada").cookie("cloakroom_device")] = true
	}
	s.fail(10, "ada", "192.0.2.1")
	guesses := 0
	for device := range devices {
		for s.guessFrom(device) == 401 && guesses < 200 {
			guesses++
		}
	}
	if guesses < 10 || guesses > 80 {
		t.Errorf("%d guesses past the account's limit with %d cookies, want at most ten for each of eight devices", guesses, len(devices))
	}
}

// TestEveryPasswordCheckIsCounted: sign-in, re-authentication and password change share one count.
func TestEveryPasswordCheckIsCounted(t *testing.T) {
	t.Attr("threat", "F8")
	s := start(t, options{})
	u := s.user("ada")
	c := s.as(u)
	ways := map[string]func(password string) *answer{
		"sign-in": func(p string) *answer { return s.client().login("ada", p) },
		"Basic":   func(p string) *answer { return s.client().send("POST", "/api/auth/login", nil, basic("ada", p)) },
		"re-authentication": func(p string) *answer {
			return c.send("POST", "/api/auth/reauthenticate", map[string]string{"password": p})
		},
		"change": func(p string) *answer {
			return c.send("POST", "/api/auth/password/change", map[string]string{"current_password": p, "new_password": newPassword})
		},
	}
	for range 2 {
		for name, try := range ways {
			if r := try("wrong"); r.StatusCode != 401 && r.StatusCode != 400 {
				t.Errorf("%s: got %d", name, r.StatusCode)
			}
		}
	}
	s.fail(2, u.Username, "127.0.0.1")
	for name, try := range ways {
		if r := try(goodPassword); !isProblem(r, 429, "throttled") {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
	}
	s.alive(t, "the session", c.ticket())
}

func TestTheCountOfGuessesSurvivesARestart(t *testing.T) {
	t.Attr("threat", "F7")
	shared := inSQLite(t)
	same := func(*testing.T) stores { return shared }
	before := start(t, options{stores: same})
	u := before.user("ada")
	before.fail(10, u.Username, "192.0.2.1")
	before.Close()
	if r := start(t, options{stores: same}).client().login("ada", goodPassword); r.StatusCode != 429 {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
}

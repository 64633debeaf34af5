package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

func changing(current, next string) map[string]string {
	return map[string]string{"current_password": current, "new_password": next}
}

// TestLongPasswords: all of 1,024 bytes are significant. A longer new password is refused, and a longer password in a check is
// wrong. A megabyte isn't read.
func TestLongPasswords(t *testing.T) {
	t.Attr("threat", "P03")
	t.Attr("threat", "F10")
	t.Attr("threat", "F11")
	s := start(t, options{})
	s.user("ada")
	c := s.signedIn("ada")
	var letters []byte
	for n := byte(0); len(letters) < 1024; n++ {
		sum := sha256.Sum256([]byte{n})
		letters = base64.StdEncoding.AppendEncode(letters, sum[:])
	}
	long := string(letters[:1024])
	if r := c.send("POST", "/api/auth/password/change", changing(goodPassword, long+"x")); !isProblem(r, 400, "invalid") || !strings.Contains(string(r.body), "new_password") {
		t.Errorf("1,025 bytes: got %d %s", r.StatusCode, r.body)
	}
	if r := c.send("POST", "/api/auth/password/change", changing(goodPassword, long)); r.StatusCode != 200 {
		t.Errorf("1,024 bytes: got %d %s", r.StatusCode, r.body)
	}
	for name, row := range map[string]struct {
		password string
		status   int
	}{
		"all of them":       {long, 200},
		"all but the last":  {long[:1023], 401},
		"one more":          {long + "x", 401},
		"another last one":  {long[:1023] + "-", 401},
		"another at 73":     {long[:72] + "-" + long[73:], 401},
		"the first 72":      {long[:72], 401},
		"60,000 bytes":      {strings.Repeat("x", 60000), 401},
		"a megabyte":        {strings.Repeat("x", 1<<20), 413},
		"nothing":           {"", 401},
		"a blank more":      {long + " ", 401},
		"in capitals":       {strings.ToUpper(long), 401},
		"with blanks about": {" " + long + " ", 401},
	} {
		if r := s.client().login("ada", row.password); r.StatusCode != row.status {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
		s.forgive()
	}
}

// TestEmptyAndBlankPasswordsAreNeverAccepted, whatever hash is stored.
func TestEmptyAndBlankPasswordsAreNeverAccepted(t *testing.T) {
	t.Attr("threat", "F12")
	s := start(t, options{})
	u := s.user("ada")
	for _, stored := range []string{"", "!", "!anything", " ", "$argon2id$", "plain", goodHash()} {
		if _, err := s.stores.Accounts.Change(t.Context(), u.ID, func(u *account.User) error { u.Password = stored; return nil }); err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{"", " ", "\t", "!", "plain", stored} {
			if r := s.client().login("ada", typed); r.StatusCode != 401 {
				t.Errorf("%q for %q: got %d", typed, stored, r.StatusCode)
			}
			s.forgive()
		}
	}
}

// TestAPasswordChangeRequiresASessionAndThePresentPassword: a refusal names the wrong field.
func TestAPasswordChangeRequiresASessionAndThePresentPassword(t *testing.T) {
	t.Attr("threat", "P06")
	s := start(t, options{})
	s.user("ada")
	c := s.signedIn("ada")
	before := snapshot(t, s.stores)
	for name, row := range map[string]struct {
		c      *client
		body   map[string]string
		status int
		part   string
	}{
		"no session":             {s.client(), changing(goodPassword, newPassword), 401, "not_authenticated"},
		"a wrong present one":    {c, changing(goodPassword+"x", newPassword), 400, `"current_password":["Your password was entered incorrectly. Please enter it again."]`},
		"no present one":         {c, map[string]string{"new_password": newPassword}, 400, `"current_password":["This field is required."]`},
		"no new one":             {c, map[string]string{"current_password": goodPassword}, 400, `"new_password":["This field is required."]`},
		"too short":              {c, changing(goodPassword, "short"), 400, `"new_password":["This password is too short.`},
		"like the address":       {c, changing(goodPassword, "ada@example.com"), 400, "too similar to the email address"},
		"digits only":            {c, changing(goodPassword, "82736451827364518273"), 400, "entirely numeric"},
		"the ID of another user": {c, map[string]string{"current_password": goodPassword, "new_password": newPassword, "user": "2"}, 400, `"user":["Unknown field."]`},
	} {
		r := row.c.send("POST", "/api/auth/password/change", row.body)
		if r.StatusCode != row.status || !bytes.Contains(r.body, []byte(row.part)) || len(r.Cookies()) > 0 {
			t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
		}
		s.forgive()
	}
	if after := snapshot(t, s.stores); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	if r := c.send("POST", "/api/auth/password/change", changing(goodPassword, newPassword)); r.StatusCode != 200 || string(r.body) != "{}\n" {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	s.alive(t, "the one that changed it", c.ticket())
	for typed, status := range map[string]int{goodPassword: 401, newPassword: 200} {
		if r := s.client().login("ada", typed); r.StatusCode != status {
			t.Errorf("%q: got %d", typed, r.StatusCode)
		}
	}
}

// TestAFloodOfSignInsIsRefusedWithoutHarm: a sign-in whose password can't be hashed soon gets a 503 with Retry-After at once. It
// doesn't count as a guess, and requests with a session don't wait for it.
func TestAFloodOfSignInsIsRefusedWithoutHarm(t *testing.T) {
	t.Attr("threat", "P10")
	s := start(t, options{})
	s.api.Accounts.Hasher = &password.Hasher{Workers: 1, Wait: time.Millisecond}
	u := s.user("ada")
	c := s.as(u)
	var served, shed atomic.Int32
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			switch r := s.client().login("ada", goodPassword); {
			case r.StatusCode == 200:
				served.Add(1)
			case isProblem(r, 503, "busy") && r.Header.Get("Retry-After") != "" && len(r.Cookies()) == 0:
				shed.Add(1)
			default:
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
		})
	}
	for range 20 {
		if r := c.send("GET", "/api/me", nil); r.StatusCode != 200 {
			t.Errorf("a check meanwhile: got %d", r.StatusCode)
		}
	}
	all.Wait()
	if served.Load() == 0 || shed.Load() == 0 {
		t.Errorf("%d sign-ins succeeded and %d were refused, want some of each", served.Load(), shed.Load())
	}
	if r := s.client().login("ada", goodPassword); r.StatusCode != 200 {
		t.Errorf("afterwards: got %d %s", r.StatusCode, r.body)
	}
}

// TestPasswordManagersFindTheFields: the built pages declare the purpose of each field, and don't prevent pasting.
func TestPasswordManagersFindTheFields(t *testing.T) {
	t.Attr("threat", "P07")
	s := start(t, options{})
	page := s.client().send("GET", "/signin", nil)
	script := s.script(page)
	for _, hint := range []string{"current-password", "new-password", "username", "email"} {
		if !regexp.MustCompile("autoComplete:[`'\"]" + hint).Match(script) {
			t.Errorf("no field in the page's script has the autocomplete hint %s", hint)
		}
	}
	hostile := regexp.MustCompile("onPaste:|onCopy:|onDrop:|password[^{}]*autoComplete:[`'\"]off|autoComplete:[`'\"]off[^{}]*password")
	if found := hostile.Find(script); found != nil {
		t.Errorf("the page's script has %s", found)
	}
}

package account_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/memory"
	"golang.org/x/net/http/httpguts"
)

func headerFlaw(username, email string) string {
	return (&account.User{Username: username, Email: email}).HeaderFlaw()
}

func TestOnlyATextThatArrivesUnchangedHasNoHeaderFlaw(t *testing.T) {
	for _, s := range []string{"", "ada", "jörg", "jorg\u0308", "a b", "李", "a\u00a0b", "a,b%20", "ada@example.com", "\u200bada", "Ã"} {
		if flaw := headerFlaw("ada", s); flaw != "" {
			t.Errorf("%q: %s", s, flaw)
		}
	}
	for s, want := range map[string]string{
		"ada ": "white space", " ada": "white space", "ada\u00a0": "white space", "\u3000ada": "white space", "ada\u2028": "white space", "ada\u2003": "white space",
		"\u1680ada": "white space", " ": "white space", "ada\n": "control", "ada\r": "control", "\tada": "control", "a\x00da": "control", "a\x7fda": "control", "ada\u0085": "control", "a\u009bda": "control",
		"a\x1fda": "control", "ada\xff": "UTF-8", "\xc3": "UTF-8",
	} {
		if flaw := headerFlaw("ada", s); !strings.Contains(flaw, want) {
			t.Errorf("%q: %q, want %q", s, flaw, want)
		}
	}
}

func TestAHeaderNeedsAUsernameAndNoAddress(t *testing.T) {
	for _, c := range []struct{ username, email, want string }{
		{"ada", "", ""}, {"ada", "ada@example.com", ""}, {"", "ada@example.com", "the username is empty"}, {" ", "", "the username begins"},
		{"ada", "ada@example.com ", "the e-mail address begins"}, {"ada", "a\x00@example.com", "the e-mail address has"},
	} {
		if flaw := headerFlaw(c.username, c.email); !strings.HasPrefix(flaw, c.want) || (flaw == "") != (c.want == "") {
			t.Errorf("%q, %q: %q, want %q", c.username, c.email, flaw, c.want)
		}
	}
}

func TestAHundredUsersWithHeaderFlawsAreListed(t *testing.T) {
	s := memory.New().Accounts
	create := func(name string) {
		t.Helper()
		err := s.Transact(t.Context(), func(tx account.Tx) error { return tx.Create(&account.User{Username: name}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	create("ada")
	if count, list, err := (&account.Service{Store: s}).HeaderFlaws(t.Context()); count != 0 || list != "" || err != nil {
		t.Errorf("got %d, %q, %v; want none", count, list, err)
	}
	for i := range 600 { // more than are read at a time
		create(fmt.Sprintf("%d ", i))
	}
	count, list, err := (&account.Service{Store: s}).HeaderFlaws(t.Context())
	if count != 600 || err != nil || strings.Count(list, "begins or ends") != 100 || !strings.HasSuffix(list, "; and 500 more") {
		t.Errorf("got %d, %q, %v; want 600, of which 100 are listed", count, list, err)
	}
}

// FuzzHeaderFlaw checks that a text without a flaw arrives unchanged.
func FuzzHeaderFlaw(f *testing.F) {
	f.Add("ada ")
	f.Add("jörg")
	f.Fuzz(func(t *testing.T, s string) {
		if headerFlaw("ada", s) != "" {
			return
		}
		h := http.Header{"Remote-Email": {s}}
		if !httpguts.ValidHeaderFieldValue(s) || strings.TrimSpace(h.Get("Remote-Email")) != s || strings.ToValidUTF8(s, "?") != s {
			t.Errorf("%q doesn't arrive as it is", s)
		}
	})
}

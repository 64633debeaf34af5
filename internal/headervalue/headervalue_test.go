package headervalue_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/headervalue"
	"golang.org/x/net/http/httpguts"
)

func TestOnlyATextThatArrivesUnchangedHasNoFlaw(t *testing.T) {
	for _, s := range []string{"", "ada", "jörg", "jorg\u0308", "a b", "李", "a\u00a0b", "a,b%20", "ada@example.com", "\u200bada", "Ã"} {
		if flaw := headervalue.Flaw(s); flaw != "" {
			t.Errorf("%q %s", s, flaw)
		}
	}
	for s, want := range map[string]string{
		"ada ": "white space", " ada": "white space", "ada\u00a0": "white space", "\u3000ada": "white space", "ada\u2028": "white space", "ada\u2003": "white space",
		"\u1680ada": "white space", " ": "white space", "ada\n": "control", "ada\r": "control", "\tada": "control", "a\x00da": "control", "a\x7fda": "control", "ada\u0085": "control", "a\u009bda": "control",
		"a\x1fda": "control", "ada\xff": "UTF-8", "\xc3": "UTF-8",
	} {
		if flaw := headervalue.Flaw(s); !strings.Contains(flaw, want) {
			t.Errorf("%q: %q, want %q", s, flaw, want)
		}
	}
}

func TestAnIdentityNeedsAUsernameAndNoAddress(t *testing.T) {
	for _, c := range []struct{ username, email, want string }{
		{"ada", "", ""}, {"ada", "ada@example.com", ""}, {"", "ada@example.com", "the username is empty"}, {" ", "", "the username begins"},
		{"ada", "ada@example.com ", "the e-mail address begins"}, {"ada", "a\x00@example.com", "the e-mail address has"},
	} {
		if flaw := headervalue.IdentityFlaw(c.username, c.email); !strings.HasPrefix(flaw, c.want) || (flaw == "") != (c.want == "") {
			t.Errorf("%q, %q: %q, want %q", c.username, c.email, flaw, c.want)
		}
	}
}

// FuzzFlaw checks that a text without a flaw arrives unchanged.
func FuzzFlaw(f *testing.F) {
	f.Add("ada ")
	f.Add("jörg")
	f.Fuzz(func(t *testing.T, s string) {
		if headervalue.Flaw(s) != "" {
			return
		}
		h := http.Header{"Remote-User": {s}}
		if !httpguts.ValidHeaderFieldValue(s) || strings.TrimSpace(h.Get("Remote-User")) != s || strings.ToValidUTF8(s, "?") != s {
			t.Errorf("%q doesn't arrive as it is", s)
		}
	})
}

package csrf_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/csrf"
)

// mask does what Django's pages do to a token: another text each time, so that compression tells nothing about it.
func mask(secret string) string {
	var mask, cipher strings.Builder
	for i := range secret {
		n := rand.IntN(len(alphabet))
		mask.WriteByte(alphabet[n])
		cipher.WriteByte(alphabet[(strings.IndexByte(alphabet, secret[i])+n)%len(alphabet)])
	}
	return mask.String() + cipher.String()
}

func TestDjangosMaskComesOff(t *testing.T) {
	const secret = "0123456789abcdefghijklmnopqrstuv"
	const token = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefqsuwyACEGIKMOQSUWY02468aceqsuwyA" // made by Django
	if got, flaw := csrf.Unmasked(token); got != secret || flaw != "" {
		t.Errorf("%q, %q", got, flaw)
	}
	for range 100 {
		if got, flaw := csrf.Unmasked(mask(secret)); got != secret || flaw != "" {
			t.Fatalf("%q, %q", got, flaw)
		}
	}
}

// TestMaskedTokensCountLikeBareOnes sends them in the header, in the form and in the cookie, for visitors and for sessions.
func TestMaskedTokensCountLikeBareOnes(t *testing.T) {
	for _, strict := range []bool{false, true} {
		p := protection(t, csrf.Config{Strict: strict})
		who := csrf.Caller{Ticket: true, Binding: session("s1")}
		token := issue(p, "s1")
		visitors := issue(p, "")
		for range 20 {
			if err := p.Check(sent(mask(token)), who); err != nil {
				t.Errorf("of the session: %v", err)
			}
			form := who
			form.FormToken = mask(token)
			if err := p.Check(sent(""), form); err != nil {
				t.Errorf("in the form: %v", err)
			}
			if err := p.Check(sent(mask(visitors), "csrftoken="+visitors), csrf.Caller{}); err != nil {
				t.Errorf("of a visitor: %v", err)
			}
			if err := p.Check(sent(visitors, "csrftoken="+mask(visitors)), csrf.Caller{}); err != nil {
				t.Errorf("in the cookie: %v", err)
			}
			if got := issue(p, "", "Cookie", "csrftoken="+mask(visitors)); got != visitors {
				t.Errorf("a visitor with a masked cookie is given another token")
			}
			for name, wrong := range map[string]string{
				"another's":      mask(issue(p, "s2")),
				"a visitor's":    mask(visitors),
				"mask and mask":  mask(token)[:32] + mask(token)[:32],
				"cipher alone":   mask(token)[32:],
				"the mask":       mask(token)[:32],
				"the bare twice": token + token,
			} {
				if err := p.Check(sent(wrong), who); err == nil {
					t.Errorf("%s passes", name)
				}
			}
		}
	}
}

// FuzzUnmasked checks that the result is always a bare token or a sentence, and that unmasking reverses masking.
func FuzzUnmasked(f *testing.F) {
	f.Add("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefqsuwyACEGIKMOQSUWY02468aceqsuwyA")
	f.Add(strings.Repeat("a", 32))
	f.Add("")
	f.Add(strings.Repeat("é", 32))
	f.Fuzz(func(t *testing.T, token string) {
		plain, flaw := csrf.Unmasked(token)
		wellFormed := (len(token) == 32 || len(token) == 64) && strings.Trim(token, alphabet) == ""
		if wellFormed != (flaw == "") || wellFormed != (len(plain) == 32) || strings.Trim(plain, alphabet) != "" {
			t.Fatalf("%q: %q, %q", token, plain, flaw)
		}
		if wellFormed {
			if again, _ := csrf.Unmasked(mask(plain)); again != plain {
				t.Fatalf("%q: %q, then %q", token, plain, again)
			}
		}
	})
}

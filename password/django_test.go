package password_test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/password"
)

// djangoHashes are hashes of wonderland-42 by all of Django's hashers, made by Django.
var djangoHashes = []struct {
	encoded string
	like    bool // new ones may be made like it
}{
	{"pbkdf2_sha256$1000$saltsaltsaltsaltsaltsa$Y1l4AxQampzbfIDkhafiWgGzDjyK4Ozi7cm2zmEySLc=", true},
	{"pbkdf2_sha1$1000$saltsaltsaltsaltsaltsa$pT0eFRQhiA4S4OJVh24LrafgHXQ=", true},
	{"scrypt$16384$saltsaltsaltsaltsaltsa$8$5$IOkKYu77hUW+VpzTJuMrrUQc5inYeeKC1kqQcBJvay8vuawE/Ctw6JzJvDAruRQxJLuuutcjrSmKbqwTm941JA==", true},
	{"argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYQ$AxrIKstf0s0GBoKoeIHi8A", true},
	{"argon2$argon2i$v=19$m=512,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYQ$pufi4bt6D3nqatgeHZ0Qyw", true},
	{"bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuuadCEXBcfEW23LJ5hHr1dtyXHV36ZzAi", true},
	{"bcrypt$$2b$12$abcdefghijklmnopqrstuub/FUwqLfgPnORQpxKUTVVsl3OiUaO0K", true},
	{"md5$saltsaltsaltsaltsaltsa$a688caa5421707d129ded6976b25d97a", false},
	{"sha1$seasalt$3e938814c4785a1198cea0297187bd80cf359cf2", false},
	{"sha1$$a13a0f014ff38e32ce56eac8fc3aaa1745785cb9", false},
	{"ac13652e22f6f4b67f60e18ae76544db", false},
	{"md5$$ac13652e22f6f4b67f60e18ae76544db", false},
}

func TestAllOfDjangosHashersAreVerified(t *testing.T) {
	t.Attr("threat", "P08")
	for _, c := range djangoHashes {
		if got := verify(t, c.encoded, "wonderland-42"); got != yesWeak {
			t.Errorf("%s: %+v, want %+v", c.encoded, got, yesWeak)
		}
		if got := verify(t, c.encoded, "wonderland-43"); got != no {
			t.Errorf("%s: a wrong password: %+v", c.encoded, got)
		}
		if got := password.IsTemplate(c.encoded); got != c.like {
			t.Errorf("%s: Like is %v", c.encoded, got)
		}
	}
}

// Django has removed hashes of crypt(3), which depend on the machine.
func TestHashesThatCannotBeVerifiedMatchNoPassword(t *testing.T) {
	for _, encoded := range []string{
		"crypt$$ab1a.xxxxxxx", "sha256$salt$" + strings.Repeat("a", 64), "argon2$argon2d$v=19$m=512,t=2,p=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		if got := verify(t, encoded, "wonderland-42"); got != no {
			t.Errorf("%s: %+v", encoded, got)
		}
		if password.IsTemplate(encoded) {
			t.Errorf("%s: Like", encoded)
		}
	}
}

// In a shared database each program must be able to read the other's hashes, and Django replaces hashes that have other
// parameters.
func TestHashLikeKeepsAlgorithmAndParametersAndTakesANewSalt(t *testing.T) {
	var h password.Hasher
	for _, c := range djangoHashes {
		made, err := h.HashByTemplate(t.Context(), c.encoded, "another-password")
		if !c.like {
			if err == nil {
				t.Errorf("%s: made %s", c.encoded, made)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", c.encoded, err)
		}
		was, _ := password.Parse(c.encoded)
		is, ok := password.Parse(made)
		if !ok || is.Text == was.Text {
			t.Fatalf("%s is no hash, or the old one", made)
		}
		was.Text, is.Text = "", ""
		if is != was {
			t.Errorf("like %s\nmade %s", c.encoded, made)
		}
		if algorithm, _, _ := strings.Cut(c.encoded, "$"); !strings.HasPrefix(made, algorithm+"$") {
			t.Errorf("like %s\nmade %s", c.encoded, made)
		}
		if got := verify(t, made, "another-password"); got != yesWeak {
			t.Errorf("%s: %+v", made, got)
		}
		if got := verify(t, made, "wonderland-42"); got != no {
			t.Errorf("%s: the password of the example: %+v", made, got)
		}
	}
}

// Django hashes the bytes that the browser sent.
func TestHashLikeTakesTheBytesAsTheyAre(t *testing.T) {
	const decomposed = "le\u0300tmein-le\u0300tmein"
	made, err := new(password.Hasher).HashByTemplate(t.Context(), django(t, 10, ""), decomposed)
	if err != nil {
		t.Fatal(err)
	}
	if got := verify(t, made, decomposed); got != yesWeak {
		t.Errorf("as it came: %+v", got)
	}
	if got := verify(t, made, "l\u00e8tmein-l\u00e8tmein"); got != no {
		t.Errorf("composed: %+v", got)
	}
}

func TestBcryptTakesNoPasswordThatItWouldCut(t *testing.T) {
	t.Attr("threat", "P02")
	var h password.Hasher
	const example = bcryptLike
	_, err := h.HashByTemplate(t.Context(), example, strings.Repeat("x", 73))
	if e, ok := errors.AsType[*password.TooLongError](err); !ok || e.Max != 72 {
		t.Errorf("%v", err)
	}
	const digested = "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuadCEXBcfEW23LJ5hHr1dtyXHV36ZzAi"
	made, err := h.HashByTemplate(t.Context(), digested, strings.Repeat("x", 73))
	if err != nil {
		t.Fatal(err)
	}
	if got := verify(t, made, strings.Repeat("x", 74)); got != no {
		t.Errorf("a longer password passes: %+v", got)
	}
}

// TestAllRefusalsCostWhatTheUsualHashDoes: in a database shared with Django the usual hash is Django's, which is more
// expensive than ours.
func TestAllRefusalsCostWhatTheUsualHashDoes(t *testing.T) {
	t.Attr("threat", "F1")
	t.Attr("threat", "G05")
	usual := django(t, 600_000, "another")
	digest := fmt.Sprintf("md5$salt$%x", md5.Sum([]byte("salt"+good)))
	for name, c := range map[string]struct{ encoded, plain string }{
		"the usual hash":          {usual, good},
		"no such user":            {"", good},
		"a blank password":        {usual, " "},
		"a cheaper hash":          {django(t, 1000, good), good},
		"a hash of our own":       {hash(t, good), good},
		"a hash for next to none": {digest, good},
		"the usual hash's own":    {"!", "another"},
	} {
		h := password.Hasher{MinimumCost: usual}
		result, err := h.Verify(t.Context(), c.encoded, c.plain)
		if err != nil {
			t.Fatal(err)
		}
		if spent := h.Spent() * 4 * 38912 / 600_000; math.Abs(spent-1) > 0.001 {
			t.Errorf("%s: %.3f of the usual hash computed", name, spent)
		}
		if want := c.plain == good && c.encoded != "" && c.encoded != usual; result.Match != want {
			t.Errorf("%s: match is %v", name, result.Match)
		}
	}
}

// bcryptLike is a hash in Django's form of bcrypt, at the lowest cost.
const bcryptLike = "bcrypt$$2b$04$abcdefghijklmnopqrstuub/FUwqLfgPnORQpxKUTVVsl3OiUaO0K"

func TestHashLikeMakesHashesThatVerify(t *testing.T) {
	h := &password.Hasher{}
	for _, like := range []string{django(t, 1000, "another"), bcryptLike} {
		made, err := h.HashByTemplate(t.Context(), like, good)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := h.Verify(t.Context(), made, good); err != nil || !r.Match {
			t.Errorf("Verify(%q) = %v, %v; want a match", made, r, err)
		}
	}
	_, err := h.HashByTemplate(t.Context(), bcryptLike, strings.Repeat("x", 73))
	if e, ok := errors.AsType[*password.TooLongError](err); !ok || e.Max != 72 {
		t.Errorf("HashByTemplate of 73 bytes by bcrypt: %v; want *TooLongError with Max 72", err)
	}
	if _, err := h.HashByTemplate(t.Context(), "md5$salt$a688caa5421707d129ded6976b25d97a", good); err == nil {
		t.Error("HashByTemplate accepted a scheme without a cost")
	}
}

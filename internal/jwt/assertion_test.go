package jwt_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestAnAssertionIsSignedAndHasTheClaims(t *testing.T) {
	w := newWorld(t)
	began := time.Now().Truncate(time.Second)
	text, err := w.Keys.SignAssertion(t.Context(), []byte(`{"iss":"https://a","htm":"GET","path":"/x","groups":["a"]}`), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if head := part(t, text, 0); !strings.Contains(head, `"alg":"EdDSA"`) || !strings.Contains(head, `"typ":"cloakroom-assertion+jwt"`) ||
		!strings.Contains(head, `"kid":"`+w.published()[0]["kid"]+`"`) {
		t.Errorf("wrong header: %s", head)
	}
	if got := seconds(t, text, "iat"); got.Before(began) || got.After(time.Now()) || seconds(t, text, "exp").Sub(got) != time.Minute {
		t.Errorf("valid from %v to %v, want one minute from now", got, seconds(t, text, "exp"))
	}
	for name, want := range map[string]any{"iss": "https://a", "htm": "GET", "path": "/x"} {
		if got := claim(t, text, name); got != want {
			t.Errorf("claim %s is %v, want %v", name, got, want)
		}
	}
	public, err := base64.RawURLEncoding.DecodeString(w.published()[0]["x"])
	if err != nil {
		t.Fatal(err)
	}
	dot := strings.LastIndexByte(text, '.')
	signature, err := base64.RawURLEncoding.DecodeString(text[dot+1:])
	if err != nil || !ed25519.Verify(public, []byte(text[:dot]), signature) {
		t.Errorf("the signature is wrong (%v)", err)
	}
}

func TestAnAssertionIsNotACredential(t *testing.T) {
	t.Attr("threat", "J02")
	w := newWorld(t)
	pair := w.signIn()
	// The assertion has all claims of an access token, so only its type distinguishes them.
	var claims map[string]any
	if err := json.Unmarshal([]byte(part(t, pair.Access, 1)), &claims); err != nil {
		t.Fatal(err)
	}
	delete(claims, "iat")
	delete(claims, "exp")
	content, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.Keys.SignAssertion(t.Context(), content, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := w.Authenticate(t.Context(), text); err == nil {
		t.Errorf("Authenticate accepts an assertion: %v", c)
	}
	if err := w.Verify(t.Context(), text, publicURL); err == nil {
		t.Error("Verify accepts an assertion")
	}
	if _, err := w.Refresh(t.Context(), text); err == nil {
		t.Error("Refresh accepts an assertion")
	}
}

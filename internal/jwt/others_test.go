package jwt_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
)

// python returns a Python that has simplejwt.
func python(t *testing.T) string {
	t.Helper()
	path := cmp.Or(os.Getenv("CLOAKROOM_PYTHON"), "/usr/bin/python3")
	if err := exec.Command(path, "-I", "-c", "import rest_framework_simplejwt, cryptography").Run(); err == nil {
		return path
	}
	if os.Getenv("CLOAKROOM_TESTS_NEED_ALL") != "" {
		t.Fatal("simplejwt isn't installed: apt-get install python3-djangorestframework-simplejwt")
	}
	t.Skip("left out: simplejwt isn't installed (make test installs it)")
	return ""
}

// verdict is the output of testdata/simplejwt.py.
type verdict struct {
	Access, Refresh map[string]string // simplejwt's error for each token; "": accepted
	Minted          []map[string]any  // the claims that a service reads from each minted token
	Order           []string          // of the claims in a token that simplejwt made
}

// TestSimpleJWTAgreesOnOurTokens has simplejwt verify good and bad tokens, and compares its errors with ours.
func TestSimpleJWTAgreesOnOurTokens(t *testing.T) {
	path := python(t)
	w := newWorld(t)
	w.Keys.Algorithm = jwt.EdDSA
	eddsa := w.mint(w.session(), "reports")
	es := newWorld(t)
	es.Keys.Algorithm = jwt.ES256
	pair := es.signIn()
	key, header, good := es.signers()[0], part(t, pair.Access, 0), part(t, pair.Access, 1)
	exp := regexp.MustCompile(`"exp":\d+`)
	resigned := func(payload string) string { return key.sign(t, header, payload) }
	drop := func(name string) string {
		return resigned(regexp.MustCompile(`"`+name+`":("[^"]*"|\d+),`).ReplaceAllString(good, ""))
	}
	tokens := map[string]string{
		"access": pair.Access, "refresh": pair.Refresh, "garbage": "x", "dots": "a.b.c", "empty": "", "cut": pair.Access[:len(pair.Access)-4],
		"another's key": key.sign(t, header, good)[:len(pair.Access)-86] + pair.Refresh[len(pair.Refresh)-86:],
		"none":          encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode([]byte(good)) + ".",
		"expired":       resigned(exp.ReplaceAllString(good, `"exp":1`)), "no exp": drop("exp"), "no jti": drop("jti"), "no token_type": drop("token_type"),
		"no aud": drop("aud"), "no iss": drop("iss"), "another aud": resigned(strings.Replace(good, `"aud":"`+publicURL, `"aud":"x`, 1)),
		"another iss": resigned(strings.Replace(good, `"iss":"`+publicURL, `"iss":"x`, 1)), "exp of text": resigned(exp.ReplaceAllString(good, `"exp":"soon"`)),
		"sliding": resigned(strings.Replace(good, `"access"`, `"sliding"`, 1)), "minted": es.mint(es.session(), "reports"),
	}
	jwks := map[string]any{"keys": append(es.published(), w.published()...)}
	input, err := json.Marshal(map[string]any{"jwks": jwks, "issuer": publicURL, "tokens": tokens, "minted": []string{eddsa, tokens["minted"]}})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path, "-I", "testdata/simplejwt.py")
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var said verdict
	if err := json.Unmarshal(output, &said); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for name, text := range tokens {
		_, asAccess := es.Authenticate(t.Context(), text)
		compare(t, name+" as an access token", asAccess, said.Access[name])
		// Blacklist must come last, because it ends the token that it accepts.
		if name != "refresh" {
			compare(t, name+" as a refresh token", es.Blacklist(t.Context(), text), said.Refresh[name])
		}
	}
	compare(t, "refresh as a refresh token", es.Blacklist(t.Context(), pair.Refresh), said.Refresh["refresh"])
	for i, claims := range said.Minted {
		if claims["sub"] != "1" || claims["user_id"] != "1" || claims["aud"] != "reports" || claims["token_type"] != "minted" {
			t.Errorf("minted token %d has the claims %v", i, claims)
		}
	}
	ours := regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(good, len(said.Order))
	for i, name := range said.Order {
		if ours[i][1] != name {
			t.Errorf("claim %d is %s; in simplejwt's token it is %s", i, ours[i][1], name)
		}
	}
	if len(said.Order) < 5 || len(said.Minted) != 2 {
		t.Errorf("the output lacks claims or minted tokens: %+v", said)
	}
}

// compare checks that our error is simplejwt's. Versions of simplejwt before 5.3 have one error for invalid and expired tokens.
func compare(t *testing.T, what string, err error, theirs string) {
	t.Helper()
	ours := ""
	if err != nil {
		ours = err.Error()
	}
	same := []string{ours}
	if ours == jwt.ErrInvalid.Error() || ours == jwt.ErrExpired.Error() {
		same = append(same, "Token is invalid or expired")
	}
	if !slices.Contains(same, theirs) {
		t.Errorf("%s: our error is %q, simplejwt's %q", what, ours, theirs)
	}
}

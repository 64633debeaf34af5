package jwt_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	jose "github.com/golang-jwt/jwt/v5"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
)

// FuzzToken: only the texts that we signed are accepted, and each only as its own kind.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	pair := w.signIn()
	minted := w.mint(w.session(), "reports")
	for _, text := range []string{pair.Access, pair.Refresh, minted, "", ".", "..", "...", "a.b.c", "eyJhbGciOiJub25lIn0.e30.",
		strings.Repeat(".", 5000), pair.Access + ".", "\xff.\xff.\xff", "{}.{}.{}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, authenticated := w.Authenticate(t.Context(), text)
		for what, row := range map[string]struct {
			err  error
			want bool
		}{
			"Authenticate":       {authenticated, text == pair.Access},
			"Verify":             {w.Verify(t.Context(), text, ""), text == pair.Access || text == pair.Refresh},
			"Verify for reports": {w.Verify(t.Context(), text, "reports"), text == minted},
		} {
			if (row.err == nil) != row.want && !expired(row.err) {
				t.Errorf("%s of %q returned %v; want acceptance: %v", what, text, row.err, row.want)
			}
			if _, ok := errors.AsType[*jwt.Refusal](row.err); row.err != nil && !ok {
				t.Errorf("%s of %q returned %v, want a Refusal", what, text, row.err)
			}
		}
	})
}

// expired reports whether the tokens have expired, as they do in a long run.
func expired(err error) bool { return errors.Is(err, jwt.ErrExpired) }

// FuzzClaims: the JOSE library reads the same from every accepted token that is signed with our key.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	pair := w.signIn()
	key, header := w.signers()[0], part(f, pair.Access, 0)
	good := part(f, pair.Access, 1)
	for _, payload := range []string{good, "{}", "", "null", "[]", good + " ", strings.Replace(good, "{", `{"user_id":"2",`, 1),
		strings.ReplaceAll(good, "user_id", "USER_ID"), strings.ReplaceAll(good, `"1"`, `1`), `{"exp":1e400}`} {
		f.Add(payload)
	}
	parser := jose.NewParser(jose.WithValidMethods([]string{"EdDSA"}), jose.WithExpirationRequired(), jose.WithIssuer(publicURL),
		jose.WithAudience(publicURL), jose.WithLeeway(time.Second))
	f.Fuzz(func(t *testing.T, payload string) {
		text := key.sign(t, header, payload)
		c, err := w.Authenticate(t.Context(), text)
		if err != nil {
			if _, ok := errors.AsType[*jwt.Refusal](err); !ok {
				t.Fatalf("%q: %v, want a Refusal", payload, err)
			}
			return
		}
		claims := jose.MapClaims{}
		if _, err := parser.ParseWithClaims(text, claims, func(*jose.Token) (any, error) { return key.key.Public(), nil }); err != nil {
			t.Fatalf("the library refuses %q: %v", payload, err)
		}
		if claims["user_id"] != c.User || claims["jti"] != c.ID || claims["token_type"] != "access" || c.User != "1" {
			t.Fatalf("%q is read as %+v", payload, c)
		}
		var plain map[string]json.RawMessage
		if json.Unmarshal([]byte(payload), &plain) != nil || len(plain) < 9 {
			t.Fatalf("%q is accepted, with too few claims", payload)
		}
	})
}

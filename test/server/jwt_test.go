package server_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
)

// tokens are what the routes for JSON Web Tokens answer with.
type tokens struct{ Access, Refresh, Token string }

func (v *visitor) tokens(path string, body any) (tokens, answer) {
	v.s.t.Helper()
	a := v.must(v.send("POST", "/api/auth/jwt/"+path, body))
	var got tokens
	if err := json.Unmarshal(a.body, &got); err != nil && a.status == http.StatusOK {
		v.s.t.Fatalf("%v: %s", err, a)
	}
	return got, a
}

// bearing sends a request without a body, with an access token.
func (v *visitor) bearing(access, method, path string) answer {
	v.s.t.Helper()
	r, err := http.NewRequest(method, v.s.base+path, nil)
	if err != nil {
		v.s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	return v.must(v.do(r))
}

// TestAKillForgetsNoUsedToken checks that used, exchanged and blacklisted tokens stay so after a kill, and that new ones count.
func TestAKillForgetsNoUsedToken(t *testing.T) {
	t.Attr("threat", "B5")
	t.Attr("threat", "B6")
	t.Parallel()
	s := start(t, "--audience", "reports")
	user := s.person("kim").Username
	v := s.visitor()
	in := map[string]string{"username": user, "password": goodPassword}
	first, a := v.tokens("create", in)
	if a.status != http.StatusOK {
		t.Fatal(a)
	}
	over, _ := v.tokens("create", in)

	answers := make([]answer, 64)
	given := make([]tokens, 64)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			given[i], answers[i] = s.visitor().tokens("refresh", map[string]string{"refresh": first.Refresh})
		})
	}
	all.Wait()
	var next tokens
	for i, a := range answers {
		switch {
		case a.status == http.StatusOK && next.Refresh == "":
			next = given[i]
		case a.status != http.StatusConflict || a.code() != "token_just_used":
			t.Errorf("%s", a)
		}
	}
	if next.Refresh == "" {
		t.Fatal("no client got the next pair")
	}
	if _, a := v.tokens("blacklist", map[string]string{"refresh": over.Refresh}); a.status != http.StatusOK {
		t.Fatal(a)
	}
	holder := s.visitor()
	if a := holder.bearing(next.Access, "POST", "/api/auth/jwt/exchange"); a.status != http.StatusOK || holder.ticket() == "" {
		t.Fatal(a)
	}
	holder.demand(http.StatusOK, "after the exchange")
	minted, a := holder.tokens("mint", map[string]string{"audience": "reports"})
	if a.status != http.StatusOK {
		t.Fatal(a)
	}
	keys := v.must(v.get("/.well-known/jwks.json"))

	s.kill()
	s.again()

	if a := v.must(v.get("/.well-known/jwks.json")); string(a.body) != string(keys.body) {
		t.Errorf("other keys: %s", a)
	}
	holder.demand(http.StatusOK, "after a kill")
	if a := s.visitor().bearing(next.Access, "POST", "/api/auth/jwt/exchange"); a.status != http.StatusUnauthorized || a.code() != "token_spent" {
		t.Errorf("a second exchange: %s", a)
	}
	if a := v.bearing(over.Access, "GET", "/api/me"); a.status != http.StatusUnauthorized {
		t.Errorf("a token of a blacklisted family: %s", a)
	}
	if _, a := v.tokens("refresh", map[string]string{"refresh": over.Refresh}); a.status != http.StatusUnauthorized {
		t.Errorf("the refresh of a blacklisted family: %s", a)
	}
	if a := v.bearing(next.Access, "GET", "/api/me"); a.status != http.StatusOK {
		t.Errorf("a token that was given: %s", a)
	}
	alive := map[string]string{"token": minted.Token, "audience": "reports"}
	if _, a := v.tokens("verify", alive); a.status != http.StatusOK {
		t.Errorf("a minted token: %s", a)
	}
	if a := holder.must(holder.signOut()); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if _, a := v.tokens("verify", alive); a.status != http.StatusBadRequest {
		t.Errorf("a minted token after the end of its session: %s", a)
	}
	if _, a := v.tokens("refresh", map[string]string{"refresh": first.Refresh}); a.status == http.StatusOK {
		t.Errorf("a used refresh token: %s", a)
	}
	if _, a := v.tokens("refresh", map[string]string{"refresh": next.Refresh}); a.status != http.StatusOK && a.status != http.StatusUnauthorized {
		t.Errorf("the newest refresh token: %s", a)
	}
	s.run("user", "disable", user)
	if a := v.bearing(next.Access, "GET", "/api/me"); a.status != http.StatusUnauthorized {
		t.Errorf("a token of a disabled user: %s", a)
	}
}

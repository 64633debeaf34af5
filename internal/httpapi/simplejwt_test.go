package httpapi_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/jwt"
	"github.com/cloakroom-auth/cloakroom/sealed"
	"github.com/cloakroom-auth/cloakroom/token"
)

const (
	createPath    = "/api/auth/jwt/create/"
	refreshPath   = "/api/auth/jwt/refresh/"
	verifyPath    = "/api/auth/jwt/verify/"
	blacklistPath = "/api/auth/jwt/blacklist/"
	bearer        = `Bearer realm="api"`
	ended         = `{"detail":"Token is blacklisted","code":"token_not_valid"}`
	goneForToken  = `{"detail":"No active account found for the given token."}`
)

// resign changes the claims of a token, and signs them with the server's key.
func (s *server) resign(text string, change func(claims string) string) string {
	s.t.Helper()
	keys, err := s.stores.Sealed.Sealed(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	keys = slices.DeleteFunc(keys, func(k sealed.Secret) bool { return !strings.HasPrefix(k.Name, "jwt ") })
	plain, err := s.api.Keys.Open(keys[len(keys)-1])
	if err != nil {
		s.t.Fatal(err)
	}
	var stored struct{ PKCS8 []byte }
	if err := json.Unmarshal(plain, &stored); err != nil {
		s.t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(stored.PKCS8)
	if err != nil {
		s.t.Fatal(err)
	}
	parts := strings.Split(text, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		s.t.Fatal(err)
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(change(string(claims))))
	signature, err := key.(ed25519.PrivateKey).Sign(nil, []byte(signed), crypto.Hash(0))
	if err != nil {
		s.t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// without returns a change that removes a claim.
func without(name string) func(string) string {
	drop := regexp.MustCompile(`"` + name + `":("[^"]*"|\d+),`)
	return func(claims string) string { return drop.ReplaceAllString(claims, "") }
}

// expired is a change that sets the expiry to a second ago.
func expired(claims string) string {
	return regexp.MustCompile(`"exp":\d+`).ReplaceAllString(claims, fmt.Sprintf(`"exp":%d`, time.Now().Unix()-1))
}

// post sends a token to a view in the right field.
func (k *compatServer) post(path, text string) *answer {
	k.t.Helper()
	field := "refresh"
	if path == verifyPath {
		field = "token"
	}
	return k.program().send("POST", path, map[string]string{field: text})
}

func detailed(text string) string { return `{"detail":"` + text + `","code":"token_not_valid"}` }

// refusedAs sends a token as Bearer to /api/me, and checks the error of the response.
func (k *compatServer) refusedAs(text, message string) {
	k.t.Helper()
	badJWT(k.t, message, k.me("Authorization: Bearer "+text), message)
}

var _ = rows(map[string]func(t *testing.T, k *compatServer){
	"jwt-1": func(t *testing.T, k *compatServer) {
		form := "username=ada&password=" + strings.ReplaceAll(goodPassword, " ", "+")
		multipart := "--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nada\r\n--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n" + goodPassword + "\r\n--x--\r\n"
		for name, r := range map[string]*answer{
			"JSON":       k.program().send("POST", createPath, map[string]string{"username": "ada", "password": goodPassword}),
			"no slash":   k.program().send("POST", "/api/auth/jwt/create", map[string]string{"username": "ada", "password": goodPassword}),
			"the e-mail": k.program().send("POST", createPath, map[string]string{"username": " ada@example.com ", "password": goodPassword}),
			"form":       k.program().raw("POST", createPath, strings.NewReader(form), "Content-Type: application/x-www-form-urlencoded"),
			"multipart":  k.program().raw("POST", createPath, strings.NewReader(multipart), "Content-Type: multipart/form-data; boundary=x"),
		} {
			if r.StatusCode != 200 || !regexp.MustCompile(`^\{"refresh":"[\w-]+\.[\w-]+\.[\w-]+","access":"[\w-]+\.[\w-]+\.[\w-]+"\}$`).Match(r.body) ||
				r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: got %d %s", name, r.StatusCode, r.body)
			}
		}
	},
	"jwt-2": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for kind, text := range map[string]string{"access": pair.Access, "refresh": pair.Refresh} {
			claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
			if !regexp.MustCompile(`^\{"token_type":"` + kind + `","exp":\d+,"iat":\d+,"jti":"[0-9a-f]{32}","user_id":"` + k.ada.ID + `",`).Match(claims) {
				t.Errorf("%s: %s", kind, claims)
			}
		}
	},
	"jwt-3": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for text, want := range map[string]float64{pair.Access: 300, pair.Refresh: 86400} {
			if life := claimOf(t, text, "exp").(float64) - claimOf(t, text, "iat").(float64); life != want {
				t.Errorf("%v seconds", life)
			}
		}
		k.age(pair.Refresh, 30*24*time.Hour-time.Minute)
		pair = k.pair(k.post(refreshPath, pair.Refresh))
		if left := claimOf(t, pair.Refresh, "exp").(float64) - float64(time.Now().Unix()); left > 60 {
			t.Errorf("%v seconds more after 30 days", left)
		}
	},
	"jwt-4": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for _, name := range []string{"user_id", "iss", "aud", "sid", "auth_time"} {
			if a, r := claimOf(t, pair.Access, name), claimOf(t, pair.Refresh, name); a != r || a == nil {
				t.Errorf("%s: %v and %v", name, a, r)
			}
		}
		for _, name := range []string{"token_type", "exp", "jti"} {
			if a, r := claimOf(t, pair.Access, name), claimOf(t, pair.Refresh, name); a == r || a == nil {
				t.Errorf("%s: %v and %v", name, a, r)
			}
		}
	},
	"jwt-5": func(t *testing.T, k *compatServer) {
		for name, password := range map[string]string{"ada": "wrong", "unknown": goodPassword, "off": goodPassword} {
			r := k.program().send("POST", createPath, map[string]string{"username": name, "password": password})
			is(t, r, 401, bearer, `{"detail":"No active account found with the given credentials"}`)
		}
	},
	"jwt-6": func(t *testing.T, k *compatServer) {
		for _, row := range []struct{ path, body, want string }{
			{createPath, `{}`, `{"password":["This field is required."],"username":["This field is required."]}`},
			{createPath, `{"username":"ada","password":""}`, `{"password":["This field may not be blank."]}`},
			{createPath, `{"username":" ","password":null}`, `{"password":["This field may not be null."]}`},
			{refreshPath, `{}`, `{"refresh":["This field is required."]}`},
			{refreshPath, `{"refresh":""}`, `{"refresh":["This field may not be blank."]}`},
			{refreshPath, `{"refresh":[]}`, `{"refresh":["Not a valid string."]}`},
			{verifyPath, `{}`, `{"token":["This field is required."]}`},
			{verifyPath, `{"token":" "}`, `{"token":["This field may not be blank."]}`},
			{verifyPath, `{"token":"x","audience":""}`, `{"audience":["This field may not be blank."]}`},
			{blacklistPath, `{}`, `{"refresh":["This field is required."]}`},
			{blacklistPath, `{"refresh":null}`, `{"refresh":["This field may not be null."]}`},
		} {
			is(t, k.program().raw("POST", row.path, strings.NewReader(row.body), "Content-Type: application/json"), 400, "", row.want)
		}
		is(t, k.program().send("POST", refreshPath, nil), 400, "", `{"refresh":["This field is required."]}`)
	},
	"jwt-7": func(t *testing.T, k *compatServer) {
		r := k.program().send("POST", createPath, map[string]string{"username": "ada", "password": goodPassword})
		if u := k.load(k.ada.ID); r.StatusCode != 200 || u.LastLogin != 0 || len(r.Cookies()) > 0 {
			t.Errorf("got %d %+v %v", r.StatusCode, u, r.Cookies())
		}
	},
	"jwt-8": func(t *testing.T, k *compatServer) {
		first := k.jwtPair("ada")
		r := k.post(refreshPath, first.Refresh)
		if r.StatusCode != 200 || !regexp.MustCompile(`^\{"access":"[\w.-]+","refresh":"[\w.-]+"\}$`).Match(r.body) {
			t.Fatalf("got %d %s", r.StatusCode, r.body)
		}
		next := k.pair(r)
		for old, text := range map[string]string{first.Access: next.Access, first.Refresh: next.Refresh} {
			if claimOf(t, old, "jti") == claimOf(t, text, "jti") || claimOf(t, old, "sid") != claimOf(t, text, "sid") {
				t.Error("the new refresh token has the old jti, or another family")
			}
		}
		is(t, k.post(verifyPath, first.Refresh), 400, "", `{"non_field_errors":["Token is blacklisted"]}`)
		if r := k.post(refreshPath, first.Refresh); r.StatusCode != 409 || r.code() != "token_just_used" {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
		k.api.JWT.Grace = time.Nanosecond
		is(t, k.post(refreshPath, first.Refresh), 401, bearer, ended)
		is(t, k.post(refreshPath, next.Refresh), 401, bearer, ended)
	},
	"jwt-9": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for _, text := range []string{pair.Access, pair.Refresh} {
			is(t, k.post(verifyPath, text), 200, "", `{}`)
		}
		minted := k.as(k.ada).mintJWT("reports")
		is(t, k.post(verifyPath, minted), 401, bearer, detailed("Token is invalid"))
		is(t, k.verifyJWT(minted, "reports"), 200, "", `{}`)
	},
	"jwt-10": func(t *testing.T, k *compatServer) {
		const said = `{"non_field_errors":["Token is blacklisted"]}`
		pair := k.jwtPair("ada")
		ok(t, k.post(blacklistPath, pair.Refresh))
		is(t, k.post(verifyPath, pair.Refresh), 400, "", said)
		is(t, k.post(verifyPath, pair.Access), 400, "", said)
		everywhere, password := k.jwtPair("ada"), jwt.Pair{}
		if _, err := k.api.Auth.EndSignIns(t.Context(), k.ada.ID); err != nil {
			t.Fatal(err)
		}
		is(t, k.post(verifyPath, everywhere.Access), 400, "", said)
		password = k.jwtPair("ada")
		if err := k.api.Accounts.SetPassword(t.Context(), k.ada.ID, newPassword); err != nil {
			t.Fatal(err)
		}
		is(t, k.post(verifyPath, password.Refresh), 400, "", said)
	},
	"jwt-11": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		is(t, k.post(blacklistPath, pair.Refresh), 200, "", `{}`)
		is(t, k.post(blacklistPath, pair.Refresh), 401, bearer, ended)
		is(t, k.post(refreshPath, pair.Refresh), 401, bearer, ended)
		k.refusedAs(pair.Access, "Token is blacklisted")
	},
	"jwt-12": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for _, path := range []string{refreshPath, verifyPath, blacklistPath} {
			for _, text := range []string{"x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", pair.Refresh[:len(pair.Refresh)-1], pair.Refresh + "x", strings.Repeat(".", 60000)} {
				is(t, k.post(path, text), 401, bearer, detailed("Token is invalid"))
			}
		}
	},
	"jwt-13": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for _, path := range []string{refreshPath, verifyPath, blacklistPath} {
			is(t, k.post(path, k.resign(pair.Refresh, expired)), 401, bearer, detailed("Token is expired"))
		}
		k.refusedAs(k.resign(pair.Access, expired), "Token is expired")
	},
	"jwt-14": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		minted := k.as(k.ada).mintJWT("reports")
		for _, path := range []string{refreshPath, blacklistPath} {
			is(t, k.post(path, pair.Access), 401, bearer, detailed("Token has wrong type"))
			is(t, k.post(path, minted), 401, bearer, detailed("Token is invalid"))
		}
		k.refusedAs(pair.Refresh, "Token has wrong type")
		k.refusedAs(minted, "Token is invalid")
	},
	"jwt-15": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for claim, text := range map[string]string{"jti": "Token has no id", "token_type": "Token has no type", "exp": "Token has no 'exp' claim"} {
			for _, path := range []string{refreshPath, verifyPath, blacklistPath} {
				is(t, k.post(path, k.resign(pair.Refresh, without(claim))), 401, bearer, detailed(text))
			}
			k.refusedAs(k.resign(pair.Access, without(claim)), text)
		}
	},
	"jwt-16": func(t *testing.T, k *compatServer) {
		ada, bob := k.jwtPair("ada"), k.jwtPair("bob")
		if err := k.api.Accounts.SetActive(t.Context(), k.ada.ID, false); err != nil {
			t.Fatal(err)
		}
		if err := k.api.Accounts.Delete(t.Context(), k.bob.ID); err != nil {
			t.Fatal(err)
		}
		is(t, k.post(refreshPath, ada.Refresh), 401, bearer, goneForToken)
		is(t, k.post(refreshPath, bob.Refresh), 401, bearer, goneForToken)
		if err := k.api.Accounts.SetActive(t.Context(), k.ada.ID, true); err != nil {
			t.Fatal(err)
		}
		is(t, k.post(refreshPath, ada.Refresh), 401, bearer, ended)
	},
	"jwt-17": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		if err := k.api.Accounts.SetPassword(t.Context(), k.ada.ID, newPassword); err != nil {
			t.Fatal(err)
		}
		is(t, k.post(refreshPath, pair.Refresh), 401, bearer, ended)
	},
	"jwt-18": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		names(t, k.me("Authorization: Bearer "+pair.Access), "ada")
		names(t, k.me("Authorization:   Bearer   "+pair.Access), "ada")
		if r := k.program().send("GET", "/read", nil, "Authorization: Bearer "+pair.Access); r.StatusCode != 200 || string(r.body) != "ada" {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	},
	"jwt-19": func(t *testing.T, k *compatServer) {
		r := k.me("Authorization: Bearer x")
		if !strings.Contains(string(r.body), `"messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid"}]`) {
			t.Errorf("got %s", r.body)
		}
		k.refusedAs("x", "Token is invalid")
		is(t, k.program().send("GET", "/read", nil, "Authorization: Bearer x"), 401, bearer, "Given token not valid for any token type")
	},
	"jwt-20": func(t *testing.T, k *compatServer) {
		for _, header := range []string{"Bearer", "Bearer ", "Bearer a b", "Bearer  a  b c"} {
			r := k.me("Authorization: " + header)
			is(t, r, 401, bearer, "Authorization header must contain two space-delimited values")
			if r.code() != "bad_authorization_header" {
				t.Errorf("%s: %s", header, r.body)
			}
		}
	},
	"jwt-21": func(t *testing.T, k *compatServer) {
		ada, bob := k.jwtPair("ada"), k.jwtPair("bob")
		if err := k.api.Accounts.SetActive(t.Context(), k.ada.ID, false); err != nil {
			t.Fatal(err)
		}
		if err := k.api.Accounts.Delete(t.Context(), k.bob.ID); err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string][2]string{ada.Access: {"User is inactive", "user_inactive"}, bob.Access: {"User not found", "user_not_found"}} {
			r := k.me("Authorization: Bearer " + text)
			is(t, r, 401, bearer, want[0])
			if r.code() != want[1] {
				t.Errorf("got %s", r.body)
			}
		}
	},
	"jwt-22": func(t *testing.T, k *compatServer) {
		r := k.me("Authorization: Bearer " + k.resign(k.jwtPair("ada").Access, without("user_id")))
		is(t, r, 401, bearer, "Token contained no recognizable user identification")
		if r.code() != "token_not_valid" || r.field("messages") != nil {
			t.Errorf("got %s", r.body)
		}
	},
	"jwt-23": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		is(t, k.me("Authorization: bearer "+pair.Access), 401, "Session", noCredentials)
		names(t, k.me("Authorization: bearer "+k.issue(k.ada, token.Params{Kind: token.Personal})), "ada")
	},
	"jwt-24": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for _, header := range []string{"Authorization: Bearer x", "Authorization: Token x", "Authorization: Bearer " + pair.Access, basic("ada", "wrong")} {
			is(t, k.as(k.bob).send("POST", verifyPath, map[string]string{"token": pair.Access}, header), 200, "", `{}`)
			is(t, k.as(k.bob).send("POST", refreshPath, map[string]string{}, header), 400, "", `{"refresh":["This field is required."]}`)
			r := k.as(k.bob).send("POST", createPath, map[string]string{"username": "ada", "password": goodPassword}, header)
			if access, _ := r.field("access").(string); r.StatusCode != 200 || claimOf(t, access, "user_id") != k.ada.ID {
				t.Errorf("%s: got %d %s", header, r.StatusCode, r.body)
			}
		}
		r := k.program().send("POST", createPath, map[string]string{"username": "ada", "password": goodPassword}, "Origin: https://evil.test")
		if !isProblem(r, 403, "csrf_failed") {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	},
	"jwt-25": func(t *testing.T, k *compatServer) {
		for _, path := range []string{createPath, refreshPath, verifyPath, blacklistPath} {
			r := k.program().send("GET", path, nil)
			is(t, r, 405, "", `{"detail":"Method \"GET\" not allowed."}`)
			if r.Header.Get("Allow") != "POST, OPTIONS" {
				t.Errorf("Allow: %s", r.Header.Get("Allow"))
			}
		}
	},
	"jwt-26": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		is(t, k.program().send("POST", verifyPath, map[string]any{"token": " " + pair.Access + "\n", "more": []int{1}}), 200, "", `{}`)
		is(t, k.program().send("POST", blacklistPath, map[string]any{"refresh": pair.Refresh, "access": pair.Access}), 200, "", `{}`)
	},
	"jwt-27": func(t *testing.T, k *compatServer) {
		pair := k.jwtPair("ada")
		for range 3 {
			pair = k.pair(k.post(refreshPath, pair.Refresh))
		}
		all, err := k.stores.Tokens.List(t.Context(), token.Query{User: k.ada.ID, Kind: token.Refresh})
		if err != nil || len(all) != 1 || strings.Contains(fmt.Sprint(all[0], string(all[0].Data)), signatureOf(pair.Refresh)) {
			t.Fatal(all, err)
		}
		if n, err := k.stores.Tokens.DeleteExpired(t.Context(), time.Now().Add(25*time.Hour).Unix(), 10); err != nil || n != 1 {
			t.Error(n, err)
		}
	},
})

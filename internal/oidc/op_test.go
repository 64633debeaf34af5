package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cloakroom-auth/cloakroom/internal/oidc"
)

const (
	issuer      = "https://accounts.example.com"
	redirectURI = "https://app.example.com/api/auth/oidc/example/callback"
)

// op is a provider, each of whose answers a test can change. It is a transport, so it needs no network and runs in the time of
// a synctest bubble.
type op struct {
	t  testing.TB
	at string // its issuer

	metadata map[string]any
	keys     []jose.JSONWebKey // private; the first one signs
	header   map[jose.HeaderKey]any
	claims   map[string]any                // instead of or beside the usual ones of an ID token; nil: without
	idToken  func(claims []byte) string    // instead of the signed one
	token    func(w http.ResponseWriter)   // instead of the answer of the token endpoint
	userInfo map[string]any                // nil: it answers 403
	before   func(r *http.Request) error   // called first
	answer   func(v url.Values) url.Values // what the browser brings back

	mu    sync.Mutex
	asked map[string]int // requests by path
	auth  []string       // how the client authenticated
	codes map[string]url.Values
}

var (
	signingKey = sync.OnceValue(func() *ecdsa.PrivateKey { return newKey() })
	rsaKey     = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
)

func newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func newOP(t testing.TB) *op {
	return &op{
		t: t, at: issuer,
		metadata: map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"userinfo_endpoint": issuer + "/userinfo", "jwks_uri": issuer + "/keys",
			"id_token_signing_alg_values_supported":          []string{"RS256", "ES256", "HS256", "none"},
			"authorization_response_iss_parameter_supported": true,
		},
		keys:   []jose.JSONWebKey{{Key: signingKey(), KeyID: "first", Algorithm: "ES256", Use: "sig"}},
		header: map[jose.HeaderKey]any{}, claims: map[string]any{},
		userInfo: map[string]any{"sub": "ada-1", "email": "ada@example.com", "email_verified": true},
		before:   func(*http.Request) error { return nil },
		asked:    map[string]int{}, codes: map[string]url.Values{},
	}
}

// at is how often a path was asked for.
func (o *op) count(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[path]
}

func (o *op) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.asked[r.URL.Path]++
	o.mu.Unlock()
	if err := o.before(r); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		o.write(w, o.metadata)
	case "/keys":
		public := []any{map[string]any{"kty": "unheard of"}}
		for _, k := range o.keys {
			public = append(public, k.Public())
		}
		o.write(w, map[string]any{"keys": public})
	case "/token":
		o.exchange(w, r)
	case "/userinfo":
		if o.userInfo == nil || r.Header.Get("Authorization") != "Bearer access" {
			w.WriteHeader(http.StatusForbidden)
		}
		o.write(w, o.userInfo)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

func (o *op) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		o.t.Error(err)
	}
}

// exchange takes a code once, from the client that it was given to, with the verifier that belongs to it.
func (o *op) exchange(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		o.t.Error(err)
	}
	o.mu.Lock()
	asked := o.codes[r.PostForm.Get("code")]
	delete(o.codes, r.PostForm.Get("code"))
	id, secret, basic := r.BasicAuth()
	if basic {
		o.auth = append(o.auth, "basic "+id+" "+secret)
	} else {
		o.auth = append(o.auth, "post "+r.PostForm.Get("client_id")+" "+r.PostForm.Get("client_secret"))
	}
	o.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if asked == nil || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") ||
		r.PostForm.Get("redirect_uri") != asked.Get("redirect_uri") || r.PostForm.Get("grant_type") != "authorization_code" {
		w.WriteHeader(http.StatusBadRequest)
		o.write(w, map[string]any{"error": "invalid_grant"})
		return
	}
	if o.token != nil {
		o.token(w)
		return
	}
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": o.at, "sub": "ada-1", "aud": "cloakroom", "exp": now + 60, "iat": now, "nonce": asked.Get("nonce"),
		"email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace", "preferred_username": "ada", "sid": "session-1",
	}
	if asked.Has("max_age") {
		claims["auth_time"] = now
	}
	for name, value := range o.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		o.t.Error(err)
	}
	token := ""
	if o.idToken != nil {
		token = o.idToken(text)
	} else {
		token = sign(o.t, o.keys[0], o.header, text)
	}
	o.write(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": token})
}

// sign makes a token, whatever the payload is.
func sign(t testing.TB, k jose.JSONWebKey, header map[jose.HeaderKey]any, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func settings(t testing.TB, change func(map[string]any)) oidc.Settings {
	t.Helper()
	m := map[string]any{"issuer": issuer, "client_id": "cloakroom", "client_secret": "s3cret+/="}
	if change != nil {
		change(m)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := oidc.ParseSettings("example", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newProvider(t testing.TB, o *op) *oidc.Provider {
	return oidc.New(settings(t, nil), redirectURI, o)
}

// visit is a whole visit: it begins an attempt, lets the person sign in, and finishes.
func visit(t testing.TB, p *oidc.Provider, o *op, a oidc.Attempt) (*oidc.Claims, error) {
	t.Helper()
	answer, err := o.signIn(t, p, a)
	if err != nil {
		return nil, err
	}
	return p.Finish(t.Context(), a, answer)
}

// signIn begins an attempt, and returns what the browser brings back.
func (o *op) signIn(t testing.TB, p *oidc.Provider, a oidc.Attempt) (url.Values, error) {
	t.Helper()
	location, err := p.Start(t.Context(), a)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	asked := u.Query()
	o.mu.Lock()
	defer o.mu.Unlock()
	code := fmt.Sprint("code-", len(o.auth), "-", len(o.codes))
	o.codes[code] = asked
	answer := url.Values{"code": {code}, "state": {asked.Get("state")}, "iss": {o.at}}
	if o.answer != nil {
		answer = o.answer(answer)
	}
	return answer, nil
}

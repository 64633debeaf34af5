// Package oidctest has a provider for tests: OpenID Connect with refresh tokens that count once, and with revocation.
package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// OP is a provider at which everyone is ada. It gives each refresh token once, and ends all of a grant when one is used twice.
type OP struct {
	*httptest.Server
	t    testing.TB // nil outside tests
	fail func(format string, args ...any)
	key  jose.JSONWebKey

	mu       sync.Mutex
	life     int64 // seconds that an access token is good for
	n        int
	codes    map[string]url.Values
	refresh  map[string]bool // those that count
	renewals int
	reused   int
	revoked  []string
	given    []string // every token that was given
	hang     chan struct{}
}

// New starts a provider, which ends with the test.
func New(t testing.TB) *OP {
	t.Helper()
	o, err := Start(t.Errorf)
	if err != nil {
		t.Fatal(err)
	}
	o.t = t
	t.Cleanup(o.Stop)
	return o
}

// Start starts a provider, which runs until Stop. It calls fail if it can't answer.
func Start(fail func(format string, args ...any)) (*OP, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	o := &OP{
		fail: fail, key: jose.JSONWebKey{Key: key, KeyID: "key", Algorithm: "ES256", Use: "sig"}, life: 3600,
		codes: map[string]url.Values{}, refresh: map[string]bool{},
	}
	o.Server = httptest.NewServer(o)
	return o, nil
}

// Stop ends the provider.
func (o *OP) Stop() {
	o.Release()
	o.CloseClientConnections()
	o.Close()
}

// Rotate gives the provider another key, and forgets the former one.
func (o *OP) Rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.key = jose.JSONWebKey{Key: key, KeyID: rand.Text(), Algorithm: "ES256", Use: "sig"}
	return nil
}

// Stall lets every request wait until Release is called.
func (o *OP) Stall() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hang = make(chan struct{})
}

// Release ends Stall.
func (o *OP) Release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hang != nil {
		close(o.hang)
		o.hang = nil
	}
}

func (o *OP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // at once, so that the end of the connection is noticed
	if err != nil {
		return
	}
	o.mu.Lock()
	hang := o.hang
	o.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		form = url.Values{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	write := func(v any) {
		_ = json.NewEncoder(w).Encode(v) // the client may have gone
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		write(map[string]any{
			"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token", "jwks_uri": o.URL + "/keys",
			"revocation_endpoint": o.URL + "/revoke", "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	case "/keys":
		write(map[string]any{"keys": []any{o.key.Public()}})
	case "/authorize":
		o.n++
		code := fmt.Sprint("code-", o.n)
		o.codes[code] = r.URL.Query()
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {r.URL.Query().Get("state")}}.Encode(), http.StatusSeeOther)
	case "/token":
		out, ok := o.grant(form)
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]any{"error": "invalid_grant"}
		}
		write(out)
	case "/revoke":
		o.revoked = append(o.revoked, form.Get("token"))
		delete(o.refresh, form.Get("token"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (o *OP) grant(form url.Values) (map[string]any, bool) {
	o.n++
	access, refresh := fmt.Sprintf("their-access-%d-%s", o.n, rand.Text()), fmt.Sprintf("their-refresh-%d-%s", o.n, rand.Text())
	out := map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": o.life}
	switch form.Get("grant_type") {
	case "authorization_code":
		asked := o.codes[form.Get("code")]
		if asked == nil {
			return nil, false
		}
		delete(o.codes, form.Get("code"))
		id := o.sign(nil, map[string]any{"sub": "ada-there", "sid": "sid-" + form.Get("code"), "nonce": asked.Get("nonce")})
		out["id_token"] = id
		o.given = append(o.given, id)
	case "refresh_token":
		if !o.refresh[form.Get("refresh_token")] {
			clear(o.refresh)
			o.reused++
			return nil, false
		}
		delete(o.refresh, form.Get("refresh_token"))
		o.renewals++
	}
	o.refresh[refresh] = true
	o.given = append(o.given, access, refresh)
	return out, true
}

func (o *OP) sign(header map[jose.HeaderKey]any, claims map[string]any) string {
	now := time.Now().Unix()
	claims["iss"], claims["aud"], claims["iat"], claims["exp"] = o.URL, "cloakroom", now, now+120
	text, err := json.Marshal(claims)
	if err != nil {
		o.fail("sign: %v", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: o.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		o.fail("sign: %v", err)
		return ""
	}
	signed, err := signer.Sign(text)
	if err != nil {
		o.fail("sign: %v", err)
		return ""
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		o.fail("sign: %v", err)
	}
	return compact
}

// SetLife sets for how many seconds the access tokens are good that are given from now on.
func (o *OP) SetLife(seconds int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.life = seconds
}

// Count returns how often a token was renewed, and the tokens that were to be revoked.
func (o *OP) Count() (renewals int, revoked []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.renewals, slices.Clone(o.revoked)
}

// Reused returns how often a refresh token was used that doesn't count.
func (o *OP) Reused() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reused
}

// Forget ends every grant.
func (o *OP) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.refresh)
}

// Gave reports whether a header has an access token that the provider has given.
func (o *OP) Gave(header string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	token, ok := strings.CutPrefix(header, "Bearer ")
	return ok && slices.Contains(o.given, token) && strings.HasPrefix(token, "their-access-")
}

// Tokens returns every token that was given.
func (o *OP) Tokens() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.given)
}

// LogoutToken returns a logout token for everyone.
func (o *OP) LogoutToken() string {
	return o.sign(map[jose.HeaderKey]any{"typ": "logout+jwt"}, map[string]any{
		"jti": rand.Text(), "sub": "ada-there", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
}

// Settings writes a file of settings for it, with more members such as `"keep_tokens": true`, and returns its path.
func (o *OP) Settings(more string) string {
	o.t.Helper()
	file := filepath.Join(o.t.TempDir(), "example.json")
	if err := o.WriteSettings(file, more); err != nil {
		o.t.Fatal(err)
	}
	return file
}

// WriteSettings is Settings for a file of one's own.
func (o *OP) WriteSettings(file, more string) error {
	text := fmt.Sprintf(`{"issuer":%q,"client_id":"cloakroom","client_secret":"secret","signup":true,%s}`, o.URL, more)
	return os.WriteFile(file, []byte(text), 0o600)
}

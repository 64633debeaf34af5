package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	keptFor       = time.Hour   // how long metadata and keys are used
	keysAgain     = time.Minute // how often keys are fetched because a token has an unknown key
	afterFailures = time.Second // how long a failed request is not repeated
)

// kept fetches a value when it is needed, and keeps it. Of calls at the same time one fetches, and the others wait for it.
type kept[T any] struct {
	fetch func(context.Context) (T, error)

	mu      sync.Mutex
	value   T
	at      time.Time // when the value was fetched
	err     error     // of the last request
	failed  time.Time // when the last request failed
	running chan struct{}
}

// get returns a value that was fetched within the given time. A failure is told again for a second instead of asking again.
func (k *kept[T]) get(ctx context.Context, within time.Duration) (T, error) {
	for {
		k.mu.Lock()
		if !k.at.IsZero() && time.Since(k.at) < within {
			defer k.mu.Unlock()
			return k.value, nil
		}
		if k.err != nil && time.Since(k.failed) < afterFailures {
			defer k.mu.Unlock()
			var none T
			return none, k.err
		}
		if k.running == nil {
			k.running = make(chan struct{})
			// What one call has begun serves others too, so it doesn't end with the call.
			go k.run(context.WithoutCancel(ctx), k.running)
		}
		running := k.running
		k.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}

func (k *kept[T]) run(ctx context.Context, done chan struct{}) {
	began := time.Now()
	value, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err = err; err == nil {
		k.value, k.at = value, began
	} else {
		k.failed = time.Now()
	}
	k.running = nil
	close(done)
}

// metadata is what is used of a provider's metadata (OpenID Connect Discovery 3, RFC 8414, RFC 9207).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	JWKSURI       string   `json:"jwks_uri"`
	Revocation    string   `json:"revocation_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	RevokeAuth    []string `json:"revocation_endpoint_auth_methods_supported"`
	HasIss        bool     `json:"authorization_response_iss_parameter_supported"`
}

// algorithms returns those that the provider signs with and that need no shared secret.
func (m *metadata) algorithms() []string {
	var names []string
	for _, name := range m.Algorithms {
		if slices.Contains(signatures, jose.SignatureAlgorithm(name)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return []string{goidc.RS256} // which every provider must support (OpenID Connect Discovery 3)
	}
	return names
}

var signatures = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, error) {
	if p.Kind == GitHub {
		return gitHubMetadata(p.Issuer), nil
	}
	address := p.Issuer + "/.well-known/openid-configuration"
	if p.Issuer[len(p.Issuer)-1] == '/' {
		address = p.Issuer[:len(p.Issuer)-1] + "/.well-known/openid-configuration" // OpenID Connect Discovery 4.1
	}
	var m metadata
	if err := p.getJSON(ctx, address, "", &m); err != nil {
		return nil, err
	}
	if m.Issuer != p.Issuer { // OpenID Connect Discovery 4.3
		return nil, unavailable("its metadata says that its issuer is %.200q, and the settings say %q: write the issuer exactly so", m.Issuer, p.Issuer)
	}
	for name, address := range map[string]string{
		"authorization_endpoint": m.Authorization, "token_endpoint": m.Token, "jwks_uri": m.JWKSURI, "userinfo_endpoint": m.UserInfo,
		"revocation_endpoint": m.Revocation, "end_session_endpoint": m.EndSession,
	} {
		if address == "" && slices.Contains([]string{"userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"}, name) {
			continue
		}
		if err := checkEndpoint(address); err != nil {
			return nil, unavailable("its metadata: %s: %w", name, err)
		}
	}
	return &m, nil
}

// key is a public key of a provider.
type key = jose.JSONWebKey

func (p *Provider) fetchKeys(ctx context.Context) ([]key, error) {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := p.getJSON(ctx, m.JWKSURI, "", &set); err != nil {
		return nil, err
	}
	var keys []key
	for _, text := range set.Keys {
		var k key
		// RFC 7517 section 5: keys that aren't understood are ignored.
		if err := json.Unmarshal(text, &k); err == nil && k.Valid() && k.IsPublic() && k.Use != "enc" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, unavailable("%s has no key that signs", m.JWKSURI)
	}
	return keys, nil
}

// keySet verifies a signature of a provider. The algorithm has been checked by the caller. Its error is kept, because the library
// returns the text alone.
type keySet struct {
	p   *Provider
	err error
}

func (s *keySet) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, s.err = s.p.verifySignature(ctx, token)
	return payload, s.err
}

// verifySignature returns the payload of a token. If its key isn't among those that are kept, they are fetched again, at most once a
// minute.
func (p *Provider) verifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, signatures)
	if err != nil {
		return nil, mismatch("%w", err)
	}
	for _, within := range []time.Duration{keptFor, keysAgain} {
		keys, err := p.keys.get(ctx, within)
		if err != nil {
			return nil, err
		}
		payload, known, err := verify(signed, keys)
		if known {
			return payload, err
		}
	}
	return nil, mismatch("signed with a key that the provider doesn't have")
}

// verify reports whether one of the keys can have signed, and returns the payload if one has.
func verify(signed *jose.JSONWebSignature, keys []key) (payload []byte, known bool, err error) {
	header := signed.Signatures[0].Header
	err = mismatch("the signature is wrong")
	for _, k := range keys {
		if header.KeyID != "" && header.KeyID != k.KeyID || k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		payload, failed := signed.Verify(k.Key)
		if failed == nil {
			return payload, true, nil
		}
		known = known || header.KeyID != ""
	}
	return nil, known, err
}

// getJSON reads a JSON object. No error quotes it.
func (p *Provider) getJSON(ctx context.Context, address, bearer string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return unavailable("%w", err)
	}
	request.Header.Set("Accept", "application/json")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return unavailable("%w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return unavailable("GET %s: it answered %d", address, answer.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind == "text/html" || kind == "application/jwt" {
		return unavailable("GET %s: it answered %.100q, not JSON", address, answer.Header.Get("Content-Type"))
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return unavailable("GET %s: %w", address, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return unavailable("GET %s: it answered no JSON of the right form", address)
	}
	return nil
}

// limited is a transport that reads no answer beyond maxBody.
type limited struct{ transport http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.transport.RoundTrip(r)
	if err == nil {
		answer.Body = &limitedBody{answer.Body, maxBody}
	}
	return answer, err
}

type limitedBody struct {
	io.ReadCloser
	left int
}

var errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxBody)

func (b *limitedBody) Read(to []byte) (int, error) {
	n, err := b.ReadCloser.Read(to[:min(len(to), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errors.Join(errTooLarge, b.Close())
	}
	return n, err
}

// Package oidc signs people in at other providers: by OpenID Connect, and by GitHub's OAuth.
//
// It makes the address at which a browser begins, and turns what the browser comes back with into [Claims] that are proven. It
// verifies the logout tokens by which a provider says that one of its sessions has ended. What is fetched from a provider is fetched
// when it is first needed, so that a server starts without its providers, and a provider that is away costs its own sign-in alone.
//
// The library verifies signatures, issuer and audience. What it leaves to its caller is done here: the nonce, the types by which ID
// tokens and logout tokens are told apart, the times, the authorized party, and how a client authenticates at the token endpoint.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
)

// Errors of a [Provider]. Each is wrapped with what happened, for the log.
var (
	// ErrUnavailable says that the provider didn't answer, or answered with what nothing can be done with. Trying again may help.
	ErrUnavailable = errors.New("the provider is unavailable")

	// ErrRefused says that the provider has refused, or that the person has.
	ErrRefused = errors.New("the provider refused")

	// ErrEnded says that the provider doesn't renew the tokens: their time is over, or they were withdrawn there.
	ErrEnded = errors.New("the provider has ended the grant")

	// ErrMismatch says that an answer or a token is not what was asked for, and proves nothing.
	ErrMismatch = errors.New("not the answer to this attempt")
)

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, fmt.Errorf(format, args...))
}

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMismatch, fmt.Errorf(format, args...))
}

const (
	// skew is how much a provider's clock may differ from ours.
	skew = 5 * time.Minute

	requestTimeout = 5 * time.Second // of each request to a provider
	maxBody        = 1 << 20         // bytes of an answer of a provider
	maxToken       = 64 << 10        // bytes of a token
	maxText        = 255             // bytes of a subject, of a session's ID and of a token's ID (OpenID Connect Core 2)
)

// Provider is another service at which people sign in. It is safe for concurrent use.
type Provider struct {
	Settings

	redirectURI string
	client      *http.Client
	metadata    *kept[*metadata]
	keys        *kept[[]key]
}

// New returns a provider. It makes no request. The provider sends browsers back to redirectURI, which must be its alone (RFC 9700
// section 4.4). A nil transport means [http.DefaultTransport].
func New(s Settings, redirectURI string, transport http.RoundTripper) *Provider {
	if transport == nil {
		transport = http.DefaultTransport
	}
	p := &Provider{Settings: s, redirectURI: redirectURI, client: &http.Client{
		Transport: limited{transport},
		Timeout:   requestTimeout,
		// Nothing that we ask for is elsewhere, and a code or a secret must not be sent on.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	p.metadata = &kept[*metadata]{fetch: p.fetchMetadata}
	p.keys = &kept[[]key]{fetch: p.fetchKeys}
	return p
}

// RedirectURI returns the URL to which the provider sends browsers back.
func (p *Provider) RedirectURI() string { return p.redirectURI }

// Claims are what a provider has said about a person. Times are Unix times in seconds.
type Claims struct {
	Issuer  string // of the settings
	Subject string // the person's name at the issuer, which is never given to another; with Issuer the key of an account
	Session string // the session at the provider ("sid"); "": it doesn't say

	Email         string // ""; it doesn't say
	EmailVerified bool   // the provider says that the person has the address
	Username      string // which the person would like to have; not unique, and it may look like an address
	Name          string

	Groups []string // those here that the provider gives, sorted

	Tokens *Tokens // nil unless Settings.KeepTokens

	AuthAt     int64 // when the person has authenticated; 0: it doesn't say
	TwoFactors bool  // the provider is trusted for the second factor, and says that one was shown
}

// LogoutToken says that a session at a provider has ended. Times are Unix times in seconds.
type LogoutToken struct {
	ID      string // which no other logout token of the issuer has
	Subject string // ""; see Session
	Session string // "": all sessions of Subject
	Issued  int64
	Expires int64
}

// verifier verifies signatures, issuer and audience, and leaves the times to its caller.
func (p *Provider) verifier(m *metadata, keys goidc.KeySet) *goidc.IDTokenVerifier {
	return goidc.NewVerifier(p.Issuer, keys, &goidc.Config{
		ClientID: p.ClientID, SupportedSigningAlgs: m.algorithms(), SkipExpiryCheck: true,
	})
}

// Check fetches what is kept of the provider, and returns an error that says what is wrong with it.
func (p *Provider) Check(ctx context.Context) error {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil || m.JWKSURI == "" {
		return err
	}
	_, err = p.keys.get(ctx, keptFor)
	return err
}

// SaysIssuer reports whether the provider promises to say its issuer in its answers (RFC 9207). ErrUnavailable.
func (p *Provider) SaysIssuer(ctx context.Context) (bool, error) {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil {
		return false, err
	}
	return m.HasIss, nil
}

// Clock asks the provider for its metadata, and returns by how much its clock is ahead of this machine's, exact to a second and the time
// that the answer took; 0 if it doesn't say. ErrUnavailable.
func (p *Provider) Clock(ctx context.Context) (time.Duration, error) {
	m, err := p.metadata.get(ctx, keptFor)
	if err != nil || m.JWKSURI == "" {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, m.JWKSURI, nil)
	if err != nil {
		return 0, unavailable("%w", err)
	}
	began := time.Now()
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, unavailable("%w", err)
	}
	answer.Body.Close()
	ended := time.Now()
	theirs, err := http.ParseTime(answer.Header.Get("Date"))
	switch {
	case err != nil || answer.Header.Get("Age") != "": // a cache's answer is of another time
		return 0, nil
	case theirs.Before(began.Truncate(time.Second)):
		return theirs.Sub(began.Truncate(time.Second)), nil
	case theirs.After(ended):
		return theirs.Sub(ended), nil
	}
	return 0, nil
}

// Admits reports whether the person may come from this provider.
func (p *Provider) Admits(c *Claims) bool {
	_, domain, _ := strings.Cut(c.Email, "@")
	return len(p.AllowedDomains) == 0 || c.EmailVerified && slices.Contains(p.AllowedDomains, strings.ToLower(domain))
}

// groupsIn returns the groups here that a claim gives; nil: the claim isn't there.
func (p *Provider) groupsIn(claims claimSet) []string {
	if p.GroupsClaim == "" || claims[p.GroupsClaim] == nil {
		return nil
	}
	groups := []string{}
	for _, there := range claims.texts(p.GroupsClaim) {
		if here, ok := p.Groups[there]; ok && !slices.Contains(groups, here) {
			groups = append(groups, here)
		}
	}
	slices.Sort(groups)
	return groups
}

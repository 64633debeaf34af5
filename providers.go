package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/gateway"
	"github.com/cloakroom-auth/cloakroom/internal/grant"
	"github.com/cloakroom-auth/cloakroom/internal/oidc"
	"github.com/cloakroom-auth/cloakroom/session"
)

// readProviders returns the providers of c.Providers. It asks none of them: a server starts without them.
func (c *Config) readProviders(base *url.URL) ([]*oidc.Provider, error) {
	var all []*oidc.Provider
	for _, text := range c.Providers {
		name, file, ok := strings.Cut(text, "=")
		if !ok || file == "" {
			return nil, fmt.Errorf("Config.Providers: %q: write NAME=FILE, such as google=google.json", text)
		}
		s, err := oidc.ReadSettings(name, file)
		if err != nil {
			return nil, fmt.Errorf("Config.Providers: %s: %w", name, err)
		}
		if slices.ContainsFunc(all, func(p *oidc.Provider) bool { return p.Name == name }) {
			return nil, fmt.Errorf("Config.Providers: there are two with the name %s", name)
		}
		all = append(all, oidc.New(s, strings.TrimSuffix(base.String(), "/")+"/api/auth/oidc/"+name+"/callback", nil))
	}
	return all, nil
}

// checkUpstreamTokens returns an error unless each name of c.UpstreamTokens is that of a provider whose tokens are kept.
func (c *Config) checkUpstreamTokens(providers []*oidc.Provider) error {
	for _, text := range c.UpstreamTokens {
		_, name, _ := strings.Cut(text, "=")
		i := slices.IndexFunc(providers, func(p *oidc.Provider) bool { return p.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("Config.UpstreamTokens: %q: none of Config.Providers has the name %s", text, name)
		case !providers[i].KeepTokens:
			return fmt.Errorf(`Config.UpstreamTokens: %q: write "keep_tokens": true into the settings of the provider %s`, text, name)
		}
	}
	return nil
}

// newGrants returns the service that keeps the tokens of providers. It is there without such a provider, too, since tokens may be left
// from earlier settings.
func (s *Server) newGrants(c Config, checked checkedConfig) *grant.Service {
	if s.storage.Grants == nil {
		return nil
	}
	return &grant.Service{
		Store: s.storage.Grants, Sessions: s.Sessions, Keys: s.dataKeys, Providers: checked.providers, Audit: s.Audit, Log: c.Log,
	}
}

// flushGrants leaves to other processes what this one hasn't done about the tokens of ended sessions. If that fails, they find it later.
func (s *Server) flushGrants() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.grants.Flush(ctx); err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "tokens of ended sessions are revoked within minutes only", slog.Any("error", err))
	}
	return nil
}

// upstreamTokens are the kept tokens as the gateway needs them.
type upstreamTokens struct{ *grant.Service }

func (t upstreamTokens) Header(ctx context.Context, of *session.Session, provider string) ([]string, error) {
	value, err := t.Service.Header(ctx, of, provider)
	switch {
	case errors.Is(err, grant.ErrNone):
		err = gateway.ErrNoToken
	case errors.Is(err, oidc.ErrUnavailable):
		err = gateway.ErrProviderAway
	}
	return value, err
}

// ErrNoProviderToken says that a session has no token of a provider that could be used.
var ErrNoProviderToken = grant.ErrNone

// ErrProviderUnavailable says that a provider doesn't answer. Trying again may help.
var ErrProviderUnavailable = oidc.ErrUnavailable

// ProviderToken returns the access token that a provider has given for a session, which must be that of the request in hand. It is
// renewed if its time is over, which can take seconds; check the session again before it is used then. The settings of the provider need
// "keep_tokens". [ErrNoProviderToken]; [session.ErrEnded] if the provider has ended the sign-in, and with it the session;
// [ErrProviderUnavailable]; any other error is an outage.
func (s *Server) ProviderToken(ctx context.Context, of *session.Session, provider string) (string, error) {
	if s.grants == nil {
		return "", ErrNoProviderToken
	}
	value, err := s.grants.Header(ctx, of, provider)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(value[0], "Bearer "), nil
}

// Provider is another service at which people can sign in.
type Provider struct {
	Name, Label, Issuer string

	// RedirectURI and LogoutURI are the addresses to register there: where it sends browsers back to, and where it tells that a
	// session has ended (OpenID Connect Back-Channel Logout).
	RedirectURI, LogoutURI string

	SecretFiles   []string // the files from which its secret was read
	UntypedLogout bool     // logout tokens without the type logout+jwt are accepted

	provider *oidc.Provider
}

// Providers returns the providers of a Config, of which only URL and Providers are looked at. It asks none of them.
func Providers(c Config) ([]Provider, error) {
	base, err := publicURL(c)
	if err != nil {
		return nil, err
	}
	read, err := c.readProviders(base)
	if err != nil {
		return nil, err
	}
	var all []Provider
	for _, p := range read {
		redirect := p.RedirectURI()
		all = append(all, Provider{
			Name: p.Name, Label: p.Label, Issuer: p.Issuer,
			RedirectURI: redirect, LogoutURI: strings.TrimSuffix(redirect, "callback") + "backchannel-logout",
			SecretFiles: p.SecretFiles(), UntypedLogout: p.UntypedLogout, provider: p,
		})
	}
	return all, nil
}

// Check asks the provider for its metadata and keys. The error says what is wrong.
func (p Provider) Check(ctx context.Context) error { return p.provider.Check(ctx) }

// Clock asks the provider, and returns by how much its clock is ahead of this machine's, as far as the answer tells; less than 0 if it is
// behind.
func (p Provider) Clock(ctx context.Context) (time.Duration, error) { return p.provider.Clock(ctx) }

// SaysIssuer reports whether the provider promises to say in each answer that it comes from it (RFC 9207), which it is asked for.
func (p Provider) SaysIssuer(ctx context.Context) (bool, error) { return p.provider.SaysIssuer(ctx) }

package cloakroom

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/internal/oidc"
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

// SaysIssuer reports whether the provider promises to say in each answer that it comes from it (RFC 9207), which it is asked for.
func (p Provider) SaysIssuer(ctx context.Context) (bool, error) { return p.provider.SaysIssuer(ctx) }

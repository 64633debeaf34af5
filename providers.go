package cloakroom

import (
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

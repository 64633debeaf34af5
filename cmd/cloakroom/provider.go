package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom"
)

// providerFlags say where else people can sign in. serve, check and the commands about providers have them.
type providerFlags struct {
	Provider []string `placeholder:"NAME=FILE" help:"Another service at which people sign in: its name in URLs, and a JSON file with its settings (docs/providers.md). Repeat it or separate by commas."`
}

type providerCmd struct {
	List  providerList  `cmd:"" help:"List the providers of --provider, with the addresses to register there."`
	Check providerCheck `cmd:"" help:"Ask a provider for its metadata and keys, and say what is wrong."`
}

// providersOf are the flags of both commands.
type providersOf struct {
	URL string `name:"url" placeholder:"URL" standard:"that of the server that ran last" help:"The server's public address."`
	providerFlags
}

// read returns the providers.
func (p providersOf) read(ctx context.Context, a *app) ([]cloakroom.Provider, error) {
	c := a.config()
	c.URL, c.Providers = p.URL, p.Provider
	if c.URL == "" {
		var err error
		if c.URL, err = a.publicURL(ctx); err != nil {
			return nil, fmt.Errorf("find the server's address, which --url can give: %w", err)
		}
	}
	return cloakroom.Providers(c)
}

// publicURL returns the address of the server that ran last on the database; the default if there is none.
func (a *app) publicURL(ctx context.Context) (url string, err error) {
	db, err := a.config().Database()
	if err != nil {
		return "", err
	}
	if missing, err := db.Missing(ctx); err != nil || missing {
		return "http://localhost:8000", err
	}
	err = with(ctx, a.open, func(s *cloakroom.Server) (err error) {
		url, err = s.PublicURL(ctx)
		return err
	})
	return url, err
}

type providerList struct {
	providersOf
}

func (providerList) Help() string {
	return `The flags are those of the server, so in its environment the command needs none. It asks no provider.

Example:
  cloakroom provider list --url https://app.example.com --provider google=google.json`
}

type providerOut struct {
	Name        string `json:"name"`
	Label       string `json:"label"`
	Issuer      string `json:"issuer"`
	RedirectURI string `json:"redirect_uri"`
	LogoutURI   string `json:"backchannel_logout_uri"`
}

func (p *providerList) Run(ctx context.Context, a *app) error {
	all, err := p.read(ctx, a)
	if err != nil {
		return err
	}
	out, rows := []providerOut{}, [][]string{}
	for _, p := range all {
		out = append(out, providerOut{p.Name, p.Label, p.Issuer, p.RedirectURI, p.LogoutURI})
		rows = append(rows, []string{p.Name, p.Issuer, p.RedirectURI, p.LogoutURI})
	}
	if a.JSON {
		return a.json(out)
	}
	if len(rows) == 0 {
		a.say("There are no providers.")
		return nil
	}
	return a.table([]string{"NAME", "ISSUER", "REDIRECT URI", "BACK-CHANNEL LOGOUT URI"}, rows)
}

type providerCheck struct {
	Name string `arg:"" help:"The provider's name."`
	providersOf
}

func (providerCheck) Help() string {
	return `The flags are those of the server, so in its environment the command needs none.

Example:
  cloakroom provider check google --provider google=google.json`
}

func (p *providerCheck) Run(ctx context.Context, a *app) error {
	all, err := p.read(ctx, a)
	if err != nil {
		return err
	}
	for _, found := range all {
		if found.Name != p.Name {
			continue
		}
		if err := found.Check(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if a.JSON {
			return a.json(map[string]string{"name": found.Name, "issuer": found.Issuer})
		}
		a.say("%s answers, and its metadata and keys can be used. Register there as redirect URI:\n  %s", found.Issuer, found.RedirectURI)
		return nil
	}
	return errors.New("there is no provider " + p.Name + " among those of --provider")
}

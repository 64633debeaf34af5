package main

import (
	"context"
	"strings"

	"github.com/cloakroom-auth/cloakroom/sqlite"
)

type migrateCmd struct {
	Check bool `env:"-" help:"Only say what is to be done; exit with 1 if there is anything."`
}

func (migrateCmd) Help() string {
	return `The server does this itself when it starts. All is done in one transaction, or nothing.

Examples:
  cloakroom migrate
  cloakroom migrate --check`
}

type appliedOut struct {
	Applied []string `json:"applied"`
}

type pendingOut struct {
	Pending []string `json:"pending"`
}

func (c *migrateCmd) Run(ctx context.Context, a *app) error {
	files, err := a.config().Files()
	if err != nil {
		return err
	}
	if c.Check {
		return a.pending(ctx, files.Database)
	}
	applied, err := sqlite.Migrate(ctx, files.Database)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.json(appliedOut{append([]string{}, applied...)})
	case len(applied) == 0:
		a.say("%s is up to date", files.Database)
	default:
		a.say("%s: applied %s", files.Database, strings.Join(applied, ", "))
	}
	return nil
}

// pending says what is to be done; errAnswered if there is anything.
func (a *app) pending(ctx context.Context, database string) error {
	pending, err := sqlite.Pending(ctx, database)
	if err != nil {
		return err
	}
	if a.JSON {
		if err := a.json(pendingOut{append([]string{}, pending...)}); err != nil {
			return err
		}
	}
	if len(pending) == 0 {
		a.say("%s is up to date", database)
		return nil
	}
	a.say("%s: to be applied: %s", database, strings.Join(pending, ", "))
	return errAnswered
}

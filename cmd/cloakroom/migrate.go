package main

import (
	"context"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
)

type migrateCmd struct {
	Check bool `env:"-" help:"Only print the pending migrations; exit with 1 if there are any."`
}

func (migrateCmd) Help() string {
	return `The server does this itself when it starts. All migrations are applied in one transaction.

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
	db, err := a.config().Database()
	if err != nil {
		return err
	}
	if c.Check {
		return a.pending(ctx, db)
	}
	applied, err := db.Migrate(ctx)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.json(appliedOut{append([]string{}, applied...)})
	case len(applied) == 0:
		a.say("%s is up to date", db)
	default:
		a.say("%s: applied %s", db, strings.Join(applied, ", "))
	}
	return nil
}

// pending prints the pending migrations; errReported if there are any.
func (a *app) pending(ctx context.Context, db cloakroom.Database) error {
	pending, err := db.Pending(ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		if err := a.json(pendingOut{append([]string{}, pending...)}); err != nil {
			return err
		}
	}
	if len(pending) == 0 {
		a.say("%s is up to date", db)
		return nil
	}
	a.say("%s: to be applied: %s", db, strings.Join(pending, ", "))
	return errReported
}

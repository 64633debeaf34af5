package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom"
)

type restoreCmd struct {
	File string `arg:"" env:"-" help:"A file that cloakroom backup has made."`
	auditFlag
	keepMail
	Yes bool `help:"Do it. Without this flag the command only says what it would do."`
}

func (restoreCmd) Help() string {
	return restoreCost + `

Stop the server first; the command refuses while a server, or another command, is using the database. The replaced database is kept
beside the restored one, under a name that ends in the time. The backup stays as it is. The server secret is not in it: put
secret.key back first if it is lost too. The command can be interrupted and repeated: until it has succeeded, the database is
the one from before.

--audit is explained by cloakroom after-restore --help. For PostgreSQL, use pg_restore and then cloakroom after-restore.

Examples:
  cloakroom restore /backup/cloakroom-2026-01-31.db
  cloakroom restore /backup/cloakroom-2026-01-31.db --yes`
}

type restoreOut struct {
	File string `json:"file"`
	Kept string `json:"kept"`
	restoredOut
}

func (c *restoreCmd) Run(ctx context.Context, a *app) error {
	db, err := a.config().Database()
	if err != nil {
		return err
	}
	if !c.Yes {
		a.say(restoreCost)
		return errors.New("nothing was changed; to do it: cloakroom restore FILE --yes")
	}
	if err := c.check(); err != nil {
		return err
	}
	r, err := a.config().Restore(ctx, c.File, c.keep(), a.by()...)
	if err != nil {
		return err
	}
	file := databasePath(db)
	var changes *[]lookAt
	if c.Audit != "" {
		err := with(ctx, a.open, func(s *cloakroom.Server) (err error) {
			changes, err = c.changes(ctx, s)
			return err
		})
		if err != nil {
			return fmt.Errorf("the database is restored, but what was changed since can't be listed: %w", err)
		}
	}
	if a.JSON {
		return a.json(restoreOut{file, r.Kept, restored(r.RestoreEnded, changes)})
	}
	a.say("restored the database: %s", file)
	if r.Kept != "" {
		a.say("the one that it replaced: %s", r.Kept)
	}
	return a.printRestored(r.RestoreEnded, changes)
}

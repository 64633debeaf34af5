package main

import (
	"context"
	"fmt"
	"path/filepath"
)

type backupCmd struct {
	File string `arg:"" env:"-" help:"The new file. A file that exists is never overwritten."`
}

func (backupCmd) Help() string {
	return `The copy is the SQLite database as it is at one moment; a server may go on running. Only you can read it (mode 0600).
Use pg_dump for PostgreSQL. Sessions in Redis aren't copied.

The server secret is not in the copy. Keep a copy of secret.key elsewhere, and make a new one after each key rotation: together
they are worth more to a thief.

Examples:
  cloakroom backup /backup/cloakroom-$(date +%F).db
  cloakroom restore /backup/cloakroom-2026-01-31.db`
}

type backupOut struct {
	File string `json:"file"`
}

func (c *backupCmd) Run(ctx context.Context, a *app) error {
	db, err := a.config().Database()
	if err != nil {
		return err
	}
	if db.File() != "" {
		if missing, err := db.Missing(ctx); err != nil {
			return err
		} else if missing {
			return fmt.Errorf("there is no database %s. Name the server's directory with --data", db)
		}
	}
	if err := db.Backup(ctx, c.File); err != nil {
		return err
	}
	file, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(backupOut{file})
	}
	a.say("backed up the database: %s", file)
	a.say("the server secret is not in it: %s", a.config().SecretFile())
	return nil
}

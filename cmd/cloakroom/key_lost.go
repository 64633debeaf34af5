package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
)

type keyReplaceLost struct {
	Yes bool `help:"Do it. Without this flag the command only says what would be lost."`
}

// lostCost says what is lost with a key.
const lostCost = `The key file is lost, and the database is sealed with it. A new one costs:

  * signing keys: JSON Web Tokens that were issued are refused, and services fetch the new key from /.well-known/jwks.json
  * CSRF tokens: open pages get a new one with their next sign-in or reload
  * remembered devices: for the limit of guesses, every browser is unknown until its next sign-in

Users, passwords, groups, sessions, personal tokens and the audit log stay: none of them needs the key.`

func (keyReplaceLost) Help() string {
	return lostCost + `

If there is a backup of the key file, put that back instead: it costs nothing. Otherwise stop every server, run this, and copy
the new file to every node before they start again. The command can be interrupted and repeated.

Examples:
  cloakroom key replace-lost
  cloakroom key replace-lost --yes`
}

type lostOut struct {
	KeyFile string   `json:"key_file"`
	Removed []string `json:"removed"`
}

func (c *keyReplaceLost) Run(ctx context.Context, a *app) error {
	db, err := a.config().Database()
	if err != nil {
		return err
	}
	if missing, err := db.Missing(ctx); err != nil {
		return err
	} else if missing {
		return fmt.Errorf("there is no database at %s, so no key is lost", db)
	}
	if !c.Yes {
		a.say(lostCost)
		return errors.New("nothing was changed; to do it: cloakroom key replace-lost --yes")
	}
	file := a.config().SecretFile()
	removed, err := db.ReplaceLostKey(ctx, file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// Without its secret the database can't be opened for a command, so this is recorded once it has one again.
	record := func(s *cloakroom.Server) error {
		return a.act(ctx, s, []slog.Attr{slog.Int("removed", len(removed))}, func(context.Context) error { return nil })
	}
	if err := with(ctx, a.open, record); err != nil {
		return fmt.Errorf("record it in the audit log: %w", err)
	}
	if a.JSON {
		return a.json(lostOut{file, append([]string{}, removed...)})
	}
	a.say("made a new server secret: %s", file)
	if len(removed) > 0 {
		a.say("removed what only the lost one opened: %s", strings.Join(removed, ", "))
	}
	return nil
}

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
  * authenticator apps: their codes can't be checked any more. The second step is still demanded; passkeys, security keys and
    recovery codes still pass it

Users, passwords, groups, sessions, personal tokens, passkeys, recovery codes and the audit log stay: none of them needs the key.`

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

	OnlyApps int `json:"only_authenticator_app"` // users who can't take the second step any more
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
		if err := a.sayOnlyApps(ctx, db); err != nil {
			return err
		}
		return errors.New("nothing was changed; to do it: cloakroom key replace-lost --yes")
	}
	file := a.config().SecretFile()
	removed, err := db.ReplaceLostKey(ctx, file, func(file string, removed []string) error { return a.recordLost(ctx, file, removed) })
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	onlyApps, err := db.CountTOTPOnlyUsers(ctx)
	if err != nil {
		return fmt.Errorf("the secret is replaced, but who has only an authenticator app can't be counted: %w", err)
	}
	if a.JSON {
		return a.json(lostOut{file, append([]string{}, removed...), onlyApps})
	}
	a.say("made a new server secret: %s", file)
	if len(removed) > 0 {
		a.say("removed what only the lost one opened: %s", strings.Join(removed, ", "))
	}
	a.say("%s", onlyAppsText(onlyApps))
	return nil
}

// recordLost records in the audit log that the secret is replaced, and opens the database with the new one.
func (a *app) recordLost(ctx context.Context, file string, removed []string) error {
	a.KeyFile = file
	record := func(s *cloakroom.Server) error {
		return a.act(ctx, s, []slog.Attr{slog.Int("removed", len(removed))}, func(context.Context) error { return nil })
	}
	if err := with(ctx, a.open, record); err != nil {
		return fmt.Errorf("record it in the audit log: %w", err)
	}
	return nil
}

// sayOnlyApps prints how many users would be locked out.
func (a *app) sayOnlyApps(ctx context.Context, db cloakroom.Database) error {
	if pending, err := db.Pending(ctx); err != nil || len(pending) > 0 {
		return err // an older database, which this command must not change yet
	}
	n, err := db.CountTOTPOnlyUsers(ctx)
	if err == nil {
		a.say("\n%s", onlyAppsText(n))
	}
	return err
}

func onlyAppsText(n int) string {
	if n == 0 {
		return "Every user with an authenticator app has another way to take the second step."
	}
	return fmt.Sprintf("%s nothing but an authenticator app for the second step. They can't sign in until their app is removed: "+
		"cloakroom user compromised NAME removes it, and makes a link for a new password.", have(n))
}

func have(n int) string {
	if n == 1 {
		return "1 user has"
	}
	return fmt.Sprintf("%d users have", n)
}

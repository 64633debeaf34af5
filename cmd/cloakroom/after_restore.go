package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom"
)

type afterRestoreCmd struct {
	Yes bool `help:"Do it. Without this flag the command only says what it would do."`
}

// restoreCost is what ends after a restore.
const restoreCost = `A backup has sessions, tokens and links that have ended since it was made. After a restore they would count again. So all of
these end:

  * sessions, also those in Redis: everyone signs in again
  * tokens of every kind: programs need new ones
  * links to reset a password or to make the first administrator

Users, passwords, groups, permissions, keys and the audit log stay as the backup has them. Passwords that were changed, users that
were disabled or deleted, and rights that were taken away since the backup are as they were then: change them again.`

func (afterRestoreCmd) Help() string {
	return restoreCost + `

Run this after a database was restored by its own tools, such as pg_restore; cloakroom restore does it by itself. Stop the servers
before you restore. If one does run, it refuses every older session, token and link once this command has succeeded. The
command can be interrupted and repeated.

Beside Django, the sessions in Django's table end as well, anonymous ones too.

Examples:
  cloakroom after-restore
  cloakroom after-restore --yes`
}

type restoredOut struct {
	Accounts int `json:"accounts"`
	Sessions int `json:"sessions"`
	Tokens   int `json:"tokens"`
	Links    int `json:"links"`
}

func (c *afterRestoreCmd) Run(ctx context.Context, a *app) error {
	if !c.Yes {
		a.say(restoreCost)
		return errors.New("nothing was changed; to do it: cloakroom after-restore --yes")
	}
	var ended cloakroom.Ended
	err := with(ctx, a.open, func(s *cloakroom.Server) (err error) {
		if ended, err = a.afterRestore(ctx, s); err != nil {
			err = fmt.Errorf("%w. Run the command again: until it succeeds, something from before the restore may still count", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.printRestored(ended)
}

// afterRestore ends what a restored database can't know the end of.
func (a *app) afterRestore(ctx context.Context, s *cloakroom.Server) (ended cloakroom.Ended, err error) {
	err = a.act(ctx, s, nil, func(ctx context.Context) (err error) {
		ended, err = s.AfterRestore(ctx)
		return err
	})
	return ended, err
}

func restored(e cloakroom.Ended) restoredOut {
	return restoredOut{e.Accounts, e.Sessions, e.Tokens, e.Links}
}

func (a *app) printRestored(e cloakroom.Ended) error {
	if a.JSON {
		return a.json(restored(e))
	}
	a.say("ended %s, %s and %s", count(e.Sessions, "session"), count(e.Tokens, "token"), count(e.Links, "link"))
	if e.Accounts > 0 {
		a.say("%s: nothing from before the restore is accepted", count(e.Accounts, "account"))
	}
	return nil
}

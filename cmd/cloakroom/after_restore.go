package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

type afterRestoreCmd struct {
	auditFlag
	keepMail
	Yes bool `help:"Do it. Without this flag the command only says what it would do."`
}

// auditFlag names an export of the audit log.
type auditFlag struct {
	Audit string `env:"-" placeholder:"FILE" help:"A later export of the audit log, as JSON: lists what was changed since the backup and is undone by the restore."`
}

// keepMail is the flag of both commands.
type keepMail struct {
	KeepMail bool `env:"-" help:"Send the mail that waited when the backup was made. Some of it was sent since, and its links don't work any more."`
}

func (k keepMail) keep() cloakroom.RestoreOptions {
	return cloakroom.RestoreOptions{KeepMail: k.KeepMail}
}

// restoreCost is what ends after a restore.
const restoreCost = `A backup has sessions, tokens and links that have ended since it was made. After a restore they would count again. So all of
these end:

  * sessions, also those in Redis: everyone signs in again
  * tokens of every kind: programs need new ones
  * links to reset a password or to make the first administrator
  * sign-ins that wait for a second step
  * mail that waits to be sent, unless --keep-mail is given

Users, passwords, factors, groups, permissions, keys and the audit log stay as the backup has them. Passwords that were changed, users that
were disabled or deleted, factors that were removed, recovery codes that were used, and rights that were taken away since the
backup are as they were then: change them again.`

func (afterRestoreCmd) Help() string {
	return restoreCost + `

Run this after a database was restored by its own tools, such as pg_restore; cloakroom restore does it by itself. Stop the servers
before you restore. If one does run, it refuses every older session, token and link once this command has succeeded. The
command can be interrupted and repeated.

Beside Django, the sessions in Django's table end as well, anonymous ones too.

With --audit, the command lists who was disabled, deleted, declared compromised or had a right taken away, whose password was
changed, who removed a factor, and who used a recovery code, since the backup. The file is an export of the audit log from before the restore: of the administration's page or
/api/auth/admin/audit/export as NDJSON, or of cloakroom audit list --limit 0 --json. Without --yes it only lists.

Examples:
  cloakroom after-restore --yes
  cloakroom after-restore --yes --audit audit.ndjson
  cloakroom audit list --limit 0 --json --db sqlite:cloakroom.db.replaced-20260131T120000Z > audit.json`
}

type restoredOut struct {
	Accounts int `json:"accounts"`
	Sessions int `json:"sessions"`
	Tokens   int `json:"tokens"`
	Links    int `json:"links"`
	Signins  int `json:"pending_sign_ins"` // that waited for a second step
	Mail     int `json:"mail"`             // messages that waited to be sent

	LookAt *[]lookAt `json:"look_at,omitempty"` // nil: there was no --audit
}

func (c *afterRestoreCmd) Run(ctx context.Context, a *app) error {
	if !c.Yes {
		a.say(restoreCost)
		if err := with(ctx, a.open, func(s *cloakroom.Server) error { return c.list(ctx, a, s) }); err != nil {
			return err
		}
		return errors.New("nothing was changed; to do it: cloakroom after-restore --yes")
	}
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		changes, err := c.changes(ctx, s)
		if err != nil {
			return err
		}
		ended, err := a.afterRestore(ctx, s, c.keep())
		if err != nil {
			return fmt.Errorf("%w. Run the command again: until it succeeds, something from before the restore may still count", err)
		}
		return a.printRestored(ended, changes)
	})
}

// changes returns what was changed since the backup; nil without --audit.
func (f auditFlag) changes(ctx context.Context, s *cloakroom.Server) (*[]lookAt, error) {
	if f.Audit == "" {
		return nil, nil
	}
	all, err := toLookAt(ctx, s, f.Audit)
	all = append([]lookAt{}, all...) // [] in JSON
	return &all, err
}

// check reads the whole file, so that a wrong one is refused before anything is done.
func (f auditFlag) check() error {
	if f.Audit == "" {
		return nil
	}
	return eachExported(f.Audit, func(admin.Event) error { return nil })
}

// list prints what was changed since the backup.
func (f auditFlag) list(ctx context.Context, a *app, s *cloakroom.Server) error {
	changes, err := f.changes(ctx, s)
	if err != nil || changes == nil {
		return err
	}
	if a.JSON {
		return a.json(changes)
	}
	return a.printLookAt(*changes)
}

// afterRestore ends what a restored database can't know the end of.
func (a *app) afterRestore(ctx context.Context, s *cloakroom.Server, keep cloakroom.RestoreOptions) (ended cloakroom.RestoreEnded, err error) {
	err = a.act(ctx, s, nil, func(ctx context.Context) (err error) {
		ended, err = s.AfterRestore(ctx, keep)
		return err
	})
	return ended, err
}

func restored(e cloakroom.RestoreEnded, changes *[]lookAt) restoredOut {
	return restoredOut{e.Accounts, e.Sessions, e.Tokens, e.Links, e.Signins, e.Mail, changes}
}

func (a *app) printRestored(e cloakroom.RestoreEnded, changes *[]lookAt) error {
	if a.JSON {
		return a.json(restored(e, changes))
	}
	a.say("ended %s, %s and %s", count(e.Sessions, "session"), count(e.Tokens, "token"), count(e.Links, "link"))
	if e.Signins > 0 {
		a.say("ended %s that waited for a second step", count(e.Signins, "sign-in"))
	}
	if e.Mail > 0 {
		a.say("dropped %s that waited to be sent", count(e.Mail, "message"))
	}
	if e.Accounts > 0 {
		a.say("%s: nothing from before the restore is accepted", count(e.Accounts, "account"))
	}
	if changes != nil {
		return a.printLookAt(*changes)
	}
	return nil
}

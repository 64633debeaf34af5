package main

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/django"
)

type djangoCmd struct {
	Check  djangoCheckCmd  `cmd:"" help:"Report what is in Django's database, and what would not work."`
	Import djangoImportCmd `cmd:"" help:"Copy Django's users, groups and tokens into Cloakroom's own database."`

	InstallFeed djangoInstallFeedCmd `cmd:"" help:"Install triggers in PostgreSQL that announce Django's changes, so that checks are answered from memory."`
	RemoveFeed  djangoRemoveFeedCmd  `cmd:"" help:"Remove the triggers of install-feed."`
}

func (djangoCmd) Help() string { return djangoHelp }

// djangoHelp describes flags that are hidden, because few projects need them.
const djangoHelp = `Django's database is named with --db django+sqlite:PATH or django+postgres://USER@HOST/NAME, and its key with
--django-secret-key-file. For settings that the project has changed there are:
  --django-user-table TABLE     the table of AUTH_USER_MODEL (auth_user)
  --django-user-key COLUMN      its primary key (id)
  --django-user-login COLUMN    its USERNAME_FIELD (username)
  --django-session-table TABLE  (django_session)
  --django-session-engine NAME  SESSION_ENGINE, if it can't be detected: only db can be shared
  --django-auth-backend CLASS   the entry of AUTHENTICATION_BACKENDS that sessions made here name
                                (django.contrib.auth.backends.ModelBackend)
  --django-hasher NAME          how new passwords are hashed: the first of PASSWORD_HASHERS, such as
                                pbkdf2_sha256$1500000 (that of the newest passwords)
  --django-time-zone ZONE       TIME_ZONE, if USE_TZ is off and the database is SQLite
  --django-reset-time-zone ZONE TIME_ZONE, also if USE_TZ is on; it dates links for a new password (UTC)
  --django-reset-timeout DURATION
                                PASSWORD_RESET_TIMEOUT, how long such a link is good (72h)`

type djangoCheckCmd struct{}

func (djangoCheckCmd) Help() string {
	return `Reads all users and sessions, and changes nothing. It exits with 0 if everything will work, and with 1 if something
won't: lines that begin with "warning:" or "error:" say what, and what to do. In --json that is the "level".

` + djangoHelp + `

Example:
  cloakroom django check --db django+sqlite:db.sqlite3 --django-secret-key-file django-key`
}

func (c *djangoCheckCmd) Run(ctx context.Context, a *app) error {
	return a.withDjango(ctx, func(db *django.DB) error {
		found, err := db.Inspect(ctx, time.Now().Unix())
		if err != nil {
			return err
		}
		if a.JSON {
			err = a.json(found)
		} else {
			a.printFindings(found)
		}
		for _, f := range found {
			if err == nil && f.Level != "info" {
				err = errReported
			}
		}
		return err
	})
}

func (a *app) printFindings(found []django.Finding) {
	h := &help{out: a.out, width: helpWidth(a.out)}
	for _, f := range found {
		label := ""
		if f.Level != "info" {
			label = f.Level + ": "
		}
		h.wrap("", printable(label+f.About))
		if f.Hint != "" {
			h.wrap("  ", printable(f.Hint))
		}
	}
}

// withDjango calls do with Django's database open, and closes it.
func (a *app) withDjango(ctx context.Context, do func(*django.DB) error) error {
	db, err := a.config().OpenDjango(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

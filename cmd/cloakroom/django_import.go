package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/django"
)

type djangoImportCmd struct {
	From   string `required:"" placeholder:"django+sqlite:PATH" help:"Django's database: django+sqlite:PATH or django+postgres://USER@HOST/NAME."`
	DryRun bool   `env:"-" help:"Only report what would be done."`
}

func (djangoImportCmd) Help() string {
	return `Copies users with their password hashes, groups, permissions, and the tokens of REST framework and knox into Cloakroom's
own database. All passwords and tokens stay valid. Users keep their IDs, unless another user has the ID here.

The command can be repeated: it then copies only the fields that have changed at Django since. Tokens that have ended at
Django end here; users who were deleted at Django are reported. If it is interrupted, run it again. Sessions are not
copied: share Django's database instead, or let users sign in again.

It exits with 0 if all users are here afterwards (or would be, with --dry-run), and with 1 if users were left out or it
failed. All other users are copied; the last lines, or "problems" in --json, say who was left out, and why.

Examples:
  cloakroom django import --from django+sqlite:db.sqlite3 --dry-run
  cloakroom django import --from django+postgres://me@localhost/site`
}

func (c *djangoImportCmd) Run(ctx context.Context, a *app) (err error) {
	from, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	open := a.create
	if c.DryRun {
		var remove func() error
		if open, remove, err = a.openForDryRun(ctx); err != nil {
			return errors.Join(err, from.Close())
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	err = with(ctx, open, func(s *cloakroom.Server) error { return c.run(ctx, a, s, from) })
	return errors.Join(err, from.Close())
}

// openForDryRun returns a function that opens the database; if there is none, an empty one in a temporary directory, so that a
// dry run leaves nothing behind. remove must be called at the end.
func (a *app) openForDryRun(ctx context.Context) (open func(context.Context) (*cloakroom.Server, error), remove func() error, err error) {
	db, err := a.config().Database()
	if err != nil {
		return nil, nil, err
	}
	missing, err := db.Missing(ctx)
	if err != nil || !missing {
		return a.create, func() error { return nil }, err
	}
	config := a.config()
	config.Sessions = ""
	if remove, err = useTempDir(&config); err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (*cloakroom.Server, error) { return cloakroom.New(ctx, config) }, remove, nil
}

func (c *djangoImportCmd) open(ctx context.Context, a *app) (*django.DB, error) {
	address, ok := strings.CutPrefix(c.From, "django+")
	if !ok {
		return nil, usageError("--from is not of the form django+sqlite:PATH or django+postgres://USER@HOST/NAME")
	}
	return django.Open(ctx, django.Config{
		Database: address, UsersOnly: true, UserTable: a.DjangoUserTable, UserKey: a.DjangoUserKey, UserLogin: a.DjangoUserLogin,
	})
}

func (c *djangoImportCmd) run(ctx context.Context, a *app, s *cloakroom.Server, from *django.DB) error {
	i, err := s.DjangoImport(from)
	if err != nil {
		return err
	}
	i.DryRun = c.DryRun
	_, shown := terminal(a.err)
	if shown {
		i.Progress = func(done, total int) { fmt.Fprintf(a.err, "\r%s", progressBar(done, total)) }
	}
	var report *django.ImportReport
	err = withBackgroundWork(ctx, s, func() (err error) {
		report, err = c.runImport(ctx, a, s, i)
		return err
	})
	if shown {
		fmt.Fprintln(a.err)
	}
	if err != nil {
		return fmt.Errorf("%w\nWhat was copied stays; run the command again to continue", err)
	}
	if a.JSON {
		err = a.json(report)
	} else {
		a.printReport(c, report)
	}
	if err == nil && report.LeftOut > 0 {
		err = errReported
	}
	return err
}

// withBackgroundWork calls do while the server's background work runs. A server that listens to the feed knows which nodes there
// are; otherwise each change of a user, group or token would wait a second for nodes that may not exist.
func withBackgroundWork(ctx context.Context, s *cloakroom.Server, do func() error) error {
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	err := do()
	stop()
	return errors.Join(err, <-ran)
}

// runImport runs an import, and records in the audit log how much it has copied, unless it is a dry run.
func (c *djangoImportCmd) runImport(ctx context.Context, a *app, s *cloakroom.Server, i *django.Import) (report *django.ImportReport, err error) {
	if c.DryRun {
		return i.Run(ctx)
	}
	err = a.act(ctx, s, nil, func(ctx context.Context) error {
		if report, err = i.Run(ctx); err != nil {
			return err
		}
		s.Audit.Record(ctx, audit.AuthzKinds.Admin, slog.String("deed", "imported"), slog.Int("users", report.Created),
			slog.Int("changed", report.Changed), slog.Int("groups", report.Groups), slog.Int("tokens", report.Tokens),
			slog.Int("ended", report.Ended))
		return nil
	})
	return report, err
}

// progressBar returns a line that shows how much is done.
func progressBar(done, total int) string {
	const width = 40
	filled := width
	if total > 0 {
		filled = min(width, done*width/total)
	}
	return fmt.Sprintf("[%s%s] %d of %d users", strings.Repeat("#", filled), strings.Repeat(".", width-filled), done, total)
}

func (a *app) printReport(c *djangoImportCmd, r *django.ImportReport) {
	verb := "copied"
	if c.DryRun {
		verb = "would be copied"
	}
	a.say("%d users: %d %s, %d brought up to date, %d as before", r.Users, r.Created, verb, r.Changed, r.Unchanged)
	if r.OtherID > 0 {
		a.say("%d of them have another ID than in Django", r.OtherID)
	}
	a.say("%d groups and %d tokens %s", r.Groups, r.Tokens, verb)
	if r.Gone+r.Ended > 0 {
		a.say("no longer in Django: %d users, and %d tokens, which end here as well", r.Gone, r.Ended)
	}
	if r.LeftOut > 0 {
		a.say("%d users were left out", r.LeftOut)
	}
	for _, p := range r.Problems {
		who := ""
		if p.User != "" {
			who = p.User + ": "
		}
		a.say("%s%s", who, p.About)
	}
}

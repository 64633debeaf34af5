package main

import (
	"context"
	"strings"

	"github.com/cloakroom-auth/cloakroom/django"
)

type djangoInstallFeedCmd struct{}

func (djangoInstallFeedCmd) Help() string {
	return `Adds triggers to Django's tables of sessions, users, groups, permissions and tokens, on PostgreSQL. They tell every server
at once what Django has changed, so that servers started from then on answer checks from memory. They touch no row, and
Django doesn't look at them. Install them again when an app with tokens has been added to Django.

Example:
  cloakroom django install-feed --db django+postgres://me@localhost/site --django-secret-key-file django-key`
}

type installedOut struct {
	Tables []string `json:"tables"`
}

func (djangoInstallFeedCmd) Run(ctx context.Context, a *app) error {
	return a.withDjango(ctx, func(db *django.DB) error {
		tables, err := db.InstallFeed(ctx)
		if err != nil {
			return err
		}
		a.say("Triggers tell of changes to %s. Start the servers anew to use them.", strings.Join(tables, ", "))
		if a.JSON {
			return a.json(installedOut{tables})
		}
		return nil
	})
}

type djangoRemoveFeedCmd struct{}

func (djangoRemoveFeedCmd) Help() string {
	return `Removes the triggers of install-feed and their function, and leaves nothing of them. Stop the servers before: what
they remember is true only while they hear of changes.`
}

func (djangoRemoveFeedCmd) Run(ctx context.Context, a *app) error {
	return a.withDjango(ctx, func(db *django.DB) error {
		if err := db.RemoveFeed(ctx); err != nil {
			return err
		}
		a.say("the feed is gone")
		return nil
	})
}

package main

import (
	"context"
	"strings"

	"github.com/cloakroom-auth/cloakroom/django"
)

type djangoInstallFeedCmd struct{}

func (djangoInstallFeedCmd) Help() string {
	return `Adds triggers to Django's tables of sessions, users, groups, permissions and tokens, on PostgreSQL. They announce each
change to all servers at once, so that servers that start afterwards answer checks from memory. They change no row, and
Django is not affected. Install them again after an app with tokens was added to Django.

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
		a.say("Triggers announce changes to %s. Restart the servers to use them.", strings.Join(tables, ", "))
		if a.JSON {
			return a.json(installedOut{tables})
		}
		return nil
	})
}

type djangoRemoveFeedCmd struct{}

func (djangoRemoveFeedCmd) Help() string {
	return `Removes the triggers of install-feed and their function. Stop the servers first: without the triggers they don't learn of
changes, and their memory becomes outdated.`
}

func (djangoRemoveFeedCmd) Run(ctx context.Context, a *app) error {
	return a.withDjango(ctx, func(db *django.DB) error {
		if err := db.RemoveFeed(ctx); err != nil {
			return err
		}
		a.say("removed the feed")
		return nil
	})
}

package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
)

// act calls do, which changes something, once the audit log holds that this command is about to. What do has done, it says
// with did and the context that it gets.
func (a *app) act(ctx context.Context, s *cloakroom.Server, about []slog.Attr, do func(context.Context) error) error {
	about = append(about, slog.String("command", a.command), slog.String("os_user", logged(osUser())))
	return s.Audit.Act(ctx, about, do)
}

// change is about for a command that changes something.
func (n userArg) change(ctx context.Context, a *app, do func(context.Context, *cloakroom.Server, *account.User) error) error {
	return n.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		return a.act(ctx, s, aboutUser(u), func(ctx context.Context) error { return do(ctx, s, u) })
	})
}

// did records what the command has done to a user.
func did(ctx context.Context, s *cloakroom.Server, kind audit.Kind, u *account.User, more ...slog.Attr) {
	s.Audit.Record(ctx, kind, append(aboutUser(u), more...)...)
}

// didToGroup is did for a group.
func didToGroup(ctx context.Context, s *cloakroom.Server, deed string, before, after account.Group) {
	change := (&account.User{UserPermissions: after.Permissions}).DescribeRightsChange(&account.User{UserPermissions: before.Permissions})
	s.Audit.Record(ctx, audit.Privilege.PermissionsChanged,
		slog.String("group", logged(after.Name)), slog.String("deed", deed), slog.String("change", logged(change)))
}

func aboutUser(u *account.User) []slog.Attr {
	return []slog.Attr{slog.String("user", u.ID), slog.String("login", logged(u.Username))}
}

// logged is a text as the log has it.
func logged(s string) string { return shorten(printable(s), 150) }

// osUser returns the operating-system user that runs the command, and with sudo the user that called it.
func osUser() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = cmp.Or(u.Username, name)
	}
	if by := os.Getenv("SUDO_USER"); by != "" {
		name += " for " + by
	}
	return name
}

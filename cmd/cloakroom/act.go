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
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// act calls do, which changes something, once the audit log has an event that says that this command is about to. do records
// the result, with the context that it gets.
func (a *app) act(ctx context.Context, s *cloakroom.Server, about []slog.Attr, do func(context.Context) error) error {
	return s.Audit.Act(ctx, append(about, a.by()...), do)
}

// by says which command does something, and who runs it.
func (a *app) by() []slog.Attr {
	return []slog.Attr{slog.String("command", a.command), slog.String("os_user", logged(osUser()))}
}

// change is about for a command that changes something.
func (n userArg) change(ctx context.Context, a *app, do func(context.Context, *cloakroom.Server, *account.User) error) error {
	return n.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		return a.act(ctx, s, admin.AboutUser(u), func(ctx context.Context) error { return do(ctx, s, u) })
	})
}

// administration returns the service that changes users and groups. On the command line everything is allowed.
func administration(s *cloakroom.Server) *admin.Service {
	return &admin.Service{Accounts: s.Accounts, Audit: s.Audit, Invitations: s}
}

// logged returns a text in the form for the log.
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

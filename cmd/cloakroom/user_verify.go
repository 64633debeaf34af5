package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

type userVerify struct{ userArg }

func (userVerify) Help() string {
	return `Use it if you know that the user receives mail at the address of the account. With a confirmed address the user can sign in with a
mailed code and get a first password, and a forgotten password is replaced without removing factors. Any change of the address
undoes it. Users confirm their addresses themselves on the account page.

Example:
  cloakroom user verify ada`
}

func (c *userVerify) Run(ctx context.Context, a *app) error {
	return c.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		if u.Email == "" {
			return fmt.Errorf("%s has no address; give one first: cloakroom user set %s --email ADDRESS", u.Username, u.Username)
		}
		proven, err := s.Accounts.ProveEmail(ctx, u.ID, u.Epoch, u.Email)
		switch {
		case errors.Is(err, account.ErrEpochChanged):
			return fmt.Errorf("%s is disabled, or has changed meanwhile; nothing was changed", u.Username)
		case err != nil:
			return err
		case !proven.HasProvenEmail():
			return errors.New("this database has no place for confirmed addresses, as beside Django")
		}
		s.Audit.Record(ctx, audit.EmailKinds.Verified, append(admin.AboutUser(u), slog.String("method", "operator"))...)
		return a.printUser(proven, "confirmed the address %s of %s", proven.Email, proven.Username)
	})
}

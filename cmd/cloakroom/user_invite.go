package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

type userInvite struct {
	Address  string   `arg:"" help:"The e-mail address of the person."`
	Group    []string `env:"-" placeholder:"GROUP" help:"Make the account a member of this group. Repeat it or separate by commas."`
	Language string   `env:"-" placeholder:"LANGUAGE" standard:"en" help:"The language of the message, such as de."`
	Withdraw bool     `env:"-" help:"Make the invitations of this address invalid instead."`
}

func (userInvite) Help() string {
	return `Mails a link to the address, on which the person chooses a username and a password. It works for seven days, and once.
A later invitation of the same address replaces it. The account exists only then, with the address confirmed.

The server must run with --signup invite, or open, and sends the message within seconds.

Examples:
  cloakroom user invite ada@example.com
  cloakroom user invite ada@example.com --group editors,authors --language de
  cloakroom user invite ada@example.com --withdraw`
}

// Validate is called by kong.
func (c *userInvite) Validate() error {
	if c.Withdraw && (len(c.Group) > 0 || c.Language != "") {
		return errors.New("--withdraw goes with no other flag")
	}
	return nil
}

type inviteOut struct {
	Email     string    `json:"email"`
	Groups    []string  `json:"groups"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (c *userInvite) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		var about []slog.Attr // no log has an address
		if len(c.Group) > 0 {
			about = append(about, slog.String("groups", logged(strings.Join(c.Group, ","))))
		}
		return a.act(ctx, s, about, func(ctx context.Context) error {
			if c.Withdraw {
				return c.withdraw(ctx, a, s)
			}
			return c.invite(ctx, a, s)
		})
	})
}

func (c *userInvite) invite(ctx context.Context, a *app, s *cloakroom.Server) error {
	for _, name := range c.Group {
		if _, err := s.Accounts.Group(ctx, name); err != nil {
			return inGroup{name}.missing(err)
		}
	}
	expires, err := s.Invite(ctx, cloakroom.Invitation{Address: c.Address, Groups: c.Group, Language: c.Language})
	if errors.Is(err, account.ErrAddressTaken) {
		return fmt.Errorf("there is an account with this address already: cloakroom user show %s", c.Address)
	}
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(inviteOut{c.Address, append([]string{}, c.Group...), expires.UTC().Truncate(time.Second)})
	}
	a.say("invited %s, until %s", c.Address, when(expires))
	return nil
}

func (c *userInvite) withdraw(ctx context.Context, a *app, s *cloakroom.Server) error {
	if err := s.WithdrawInvitation(ctx, c.Address); err != nil {
		return err
	}
	if a.JSON {
		return a.json(map[string]string{"withdrawn": c.Address})
	}
	a.say("links of invitations to %s don't work any more", c.Address)
	return nil
}

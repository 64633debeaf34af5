package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

type userInvite struct {
	Address  string   `arg:"" optional:"" help:"The e-mail address of the person."`
	Group    []string `env:"-" placeholder:"GROUP" help:"Make the account a member of this group. Repeat it or separate by commas."`
	Language string   `env:"-" placeholder:"LANGUAGE" standard:"en" help:"The language of the message, such as de."`
	Print    bool     `env:"-" help:"Print the link instead of mailing it. The address of the account is not confirmed then."`
	List     bool     `env:"-" help:"List the invitations that were not used yet."`
	Withdraw bool     `env:"-" help:"Make the invitation of this address invalid instead."`
}

func (userInvite) Help() string {
	return `Mails a link to the address, on which the person chooses a username and a password. It works for seven days, and once.
A later invitation of the same address replaces it. The account exists only then, with the address confirmed.

The server must run with --signup invite, or open, and sends the message within seconds.

Examples:
  cloakroom user invite ada@example.com
  cloakroom user invite ada@example.com --group editors,authors --language de
  cloakroom user invite ada@example.com --print
  cloakroom user invite --list
  cloakroom user invite ada@example.com --withdraw`
}

// Validate checks what the grammar can't.
func (c *userInvite) Validate() error {
	others := len(c.Group) > 0 || c.Language != "" || c.Print
	switch {
	case c.Withdraw && (others || c.List):
		return errors.New("--withdraw goes with no other flag")
	case c.List && (others || c.Address != ""):
		return errors.New("--list goes with nothing else")
	case !c.List && c.Address == "":
		return errors.New("name the address of the person")
	}
	return nil
}

type inviteOut struct {
	Email     string    `json:"email"`
	Groups    []string  `json:"groups"`
	ExpiresAt time.Time `json:"expires_at"`
	Link      string    `json:"link,omitempty"`
}

func (c *userInvite) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		if c.List {
			return c.list(ctx, a, s)
		}
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
	made, err := s.Invite(ctx, cloakroom.Invitation{Address: c.Address, Groups: c.Group, Language: c.Language, Printed: c.Print})
	if errors.Is(err, account.AddressErrors.Taken) {
		return fmt.Errorf("there is an account with this address already: cloakroom user show %s", c.Address)
	}
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(inviteOut{c.Address, append([]string{}, c.Group...), made.Expires.UTC().Truncate(time.Second), made.Link})
	}
	a.say("invited %s, until %s", c.Address, when(made.Expires))
	if made.Link != "" {
		a.say("%s", made.Link)
	}
	return nil
}

type openInvitationOut struct {
	Email     string    `json:"email"`
	Groups    []string  `json:"groups"`
	Language  string    `json:"language"`
	Printed   bool      `json:"printed"`
	InviterID string    `json:"inviter_id"` // "": the operator
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (c *userInvite) list(ctx context.Context, a *app, s *cloakroom.Server) error {
	all, err := s.Invitations(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b cloakroom.UnusedInvitation) int { return cmp.Compare(a.Address, b.Address) })
	out, rows := []openInvitationOut{}, [][]string{}
	for _, i := range all {
		out = append(out, openInvitationOut{i.Address, append([]string{}, i.Groups...), i.Language, i.Printed, i.Inviter, i.Created.UTC(), i.Expires.UTC()})
		by := "command line"
		if i.Inviter != "" {
			by = "user " + i.Inviter
			if u, err := s.Accounts.Store.Load(ctx, i.Inviter); err == nil {
				by = u.Username
			}
		}
		rows = append(rows, []string{i.Address, shorten(strings.Join(i.Groups, ", "), 80), by, ago(i.Created.Unix()), when(i.Expires)})
	}
	switch {
	case a.JSON:
		return a.json(out)
	case len(rows) == 0:
		a.say("There are no open invitations.")
		return nil
	}
	return a.table([]string{"ADDRESS", "GROUPS", "INVITED BY", "INVITED", "EXPIRES"}, rows)
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

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

type groupCmd struct {
	Add    groupAdd    `cmd:"" help:"Add a group."`
	List   groupList   `cmd:"" help:"List the groups."`
	Delete groupDelete `cmd:"" help:"Delete a group."`
	Grant  groupGrant  `cmd:"" help:"Give permissions to a group."`
	Revoke groupRevoke `cmd:"" help:"Take permissions from a group."`
}

func (groupCmd) Help() string {
	return `The members of a group have all its permissions. Add members with cloakroom user set --join.
Applications behind the gateway receive the names of a user's groups, and may grant rights by them.`
}

// inGroup is the argument of the commands about one group.
type inGroup struct {
	Name string `arg:"" help:"The group's name."`
}

// attrs returns the attributes by which the log names the group.
func (g inGroup) attrs() []slog.Attr { return []slog.Attr{slog.String("group", logged(g.Name))} }

// missing returns an error for people if there is no such group.
func (g inGroup) missing(err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return fmt.Errorf("there is no group %q; cloakroom group list shows all", g.Name)
	}
	return err
}

// groupOut is a group as JSON.
type groupOut struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Members     []string `json:"members"` // usernames
}

// printGroup prints the result of a command that has changed a group.
func (a *app) printGroup(ctx context.Context, s *cloakroom.Server, g account.Group, format string) error {
	if !a.JSON {
		a.say(format, g.Name)
		return nil
	}
	members, err := members(ctx, s)
	if err != nil {
		return err
	}
	return a.json(newGroupOut(g, members))
}

func newGroupOut(g account.Group, members map[string][]string) groupOut {
	return groupOut{g.Name, append([]string{}, g.Permissions...), append([]string{}, members[g.Name]...)}
}

// members returns the usernames of the members by the names of their groups.
func members(ctx context.Context, s *cloakroom.Server) (map[string][]string, error) {
	users, err := s.Accounts.Store.List(ctx, account.Query{})
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, u := range users {
		for _, g := range u.Groups {
			all[g] = append(all[g], u.Username)
		}
	}
	return all, nil
}

type groupAdd struct {
	inGroup
	Permissions []string `arg:"" optional:"" name:"permission" help:"What its members may do, such as blog.add_post."`
}

func (groupAdd) Help() string {
	return `Examples:
  cloakroom group add editors
  cloakroom group add editors blog.add_post blog.change_post`
}

func (c *groupAdd) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		return a.act(ctx, s, c.attrs(), func(ctx context.Context) error {
			g, err := administration(s).AddGroup(ctx, account.Group{Name: c.Name, Permissions: c.Permissions})
			if err != nil {
				return err
			}
			return a.printGroup(ctx, s, g, "added the group %s")
		})
	})
}

type groupList struct{}

func (groupList) Help() string {
	return `Examples:
  cloakroom group list
  cloakroom group list --json | jq '.[] | select(.name == "editors").members'`
}

func (groupList) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		groups, err := s.Accounts.Store.Groups(ctx)
		if err != nil {
			return err
		}
		members, err := members(ctx, s)
		if err != nil {
			return err
		}
		out := []groupOut{}
		var rows [][]string
		for _, g := range groups {
			out = append(out, newGroupOut(g, members))
			rows = append(rows, []string{g.Name, strconv.Itoa(len(members[g.Name])), shorten(strings.Join(g.Permissions, ", "), 80)})
		}
		switch {
		case a.JSON:
			return a.json(out)
		case len(groups) == 0:
			a.say("There are no groups yet. Add one: cloakroom group add NAME")
			return nil
		}
		return a.table([]string{"NAME", "MEMBERS", "PERMISSIONS"}, rows)
	})
}

type groupDelete struct {
	inGroup
	Yes bool `short:"y" env:"-" help:"Don't ask."`
}

func (groupDelete) Help() string {
	return `Its members lose its permissions at once. The command asks first, since this can't be undone.

Example:
  cloakroom group delete editors`
}

func (c *groupDelete) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		g, err := s.Accounts.Group(ctx, c.Name)
		if err != nil {
			return c.missing(err)
		}
		members, err := members(ctx, s)
		if err != nil {
			return err
		}
		n := len(members[g.Name])
		question := fmt.Sprintf("Delete the group %s, which has %s, for good?", printable(g.Name), count(n, "member"))
		if err := a.confirm(ctx, c.Yes, question); err != nil {
			return err
		}
		err = a.act(ctx, s, c.attrs(), func(ctx context.Context) error {
			return c.missing(administration(s).DeleteGroup(ctx, g))
		})
		if err != nil {
			return err
		}
		if a.JSON {
			return a.json(newGroupOut(g, members))
		}
		a.say("deleted the group %s", g.Name)
		return nil
	})
}

type groupGrant struct {
	inGroup
	Permissions []string `arg:"" name:"permission" help:"A permission such as blog.add_post."`
}

func (groupGrant) Help() string {
	return `Its members have the permissions from the next request on.

Example:
  cloakroom group grant editors blog.add_post blog.change_post`
}

func (c *groupGrant) Run(ctx context.Context, a *app) error {
	return c.edit(ctx, a, "changed the group %s", func(g *account.Group) error {
		g.Permissions = append(g.Permissions, c.Permissions...)
		return nil
	})
}

type groupRevoke struct {
	inGroup
	Permissions []string `arg:"" name:"permission" help:"A permission that the group has."`
}

func (groupRevoke) Help() string {
	return `Its members lose the permissions from the next request on, unless they have them directly or from another group.

Example:
  cloakroom group revoke editors blog.change_post`
}

func (c *groupRevoke) Run(ctx context.Context, a *app) error {
	return c.edit(ctx, a, "changed the group %s", func(g *account.Group) error {
		for _, p := range c.Permissions {
			if !slices.Contains(g.Permissions, p) {
				return fmt.Errorf("the group %s doesn't have the permission %q; nothing was changed", g.Name, p)
			}
		}
		g.Permissions = slices.DeleteFunc(g.Permissions, func(p string) bool { return slices.Contains(c.Permissions, p) })
		return nil
	})
}

// edit changes a group and prints it.
func (g inGroup) edit(ctx context.Context, a *app, done string, change func(*account.Group) error) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		return a.act(ctx, s, g.attrs(), func(ctx context.Context) error {
			changed, err := administration(s).EditGroup(ctx, g.Name, change)
			if err != nil {
				return g.missing(err)
			}
			return a.printGroup(ctx, s, changed, done)
		})
	})
}

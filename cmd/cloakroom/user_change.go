package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

// passwordFlags are the flags of the commands that set a password.
type passwordFlags struct {
	Stdin     bool `name:"password-stdin" env:"-" help:"Read the password from standard input instead of asking for it."`
	MinLength int  `name:"password-min-length" default:"15" placeholder:"N" help:"The minimum number of characters; the same as serve's."`
}

// Validate checks what the grammar can't.
func (p *passwordFlags) Validate() error { return checkMinLength(p.MinLength) }

// policy sets the minimum length of the command's password policy.
func (p *passwordFlags) policy(s *cloakroom.Server) { s.Accounts.Policy.MinLength = p.MinLength }

type userAdd struct {
	Name      string `arg:"" help:"The username."`
	Email     string `env:"-" placeholder:"ADDRESS" help:"An e-mail address, with which the user can sign in too."`
	FirstName string `env:"-" placeholder:"NAME" help:"The first name."`
	LastName  string `env:"-" placeholder:"NAME" help:"The last name."`
	Language  string `env:"-" placeholder:"LANGUAGE" help:"The language of messages to the user, such as de."`
	Staff     bool   `env:"-" help:"May use the administration."`
	Superuser bool   `env:"-" help:"Has every permission, and is staff."`
	passwordFlags
}

func (userAdd) Help() string {
	return `Asks for the password. Creates the database if there is none.

Examples:
  cloakroom user add ada --superuser
  cloakroom user add bob --email bob@example.com
  openssl rand -base64 24 | tee /dev/tty | cloakroom user add bob --password-stdin`
}

func (c *userAdd) Run(ctx context.Context, a *app) error {
	return a.withPassword(ctx, c.Stdin, func(password string) error {
		return with(ctx, a.create, func(s *cloakroom.Server) error { return c.add(ctx, a, s, password) })
	})
}

func (c *userAdd) add(ctx context.Context, a *app, s *cloakroom.Server, password string) error {
	c.policy(s)
	return a.act(ctx, s, []slog.Attr{slog.String("name", logged(c.Name))}, func(ctx context.Context) error {
		u, err := administration(s).CreateUser(ctx, account.NewUser{
			Username: c.Name, Email: c.Email, FirstName: c.FirstName, LastName: c.LastName, Language: c.Language, Password: password,
			IsStaff: c.Staff, IsSuperuser: c.Superuser,
		})
		if err != nil {
			return err
		}
		return a.printUser(u, "added %s", u.Username)
	})
}

type userSet struct {
	userArg
	Username  *string  `env:"-" placeholder:"NAME" help:"Another username."`
	Email     *string  `env:"-" placeholder:"ADDRESS" help:"Another e-mail address; empty: none."`
	FirstName *string  `env:"-" placeholder:"NAME" help:"Another first name; empty: none."`
	LastName  *string  `env:"-" placeholder:"NAME" help:"Another last name; empty: none."`
	Language  *string  `env:"-" placeholder:"LANGUAGE" help:"The language of messages to the user, such as de; empty: that of the client that causes a message."`
	Staff     *bool    `env:"-" negatable:"" help:"Whether the user may use the administration."`
	Superuser *bool    `env:"-" negatable:"" help:"Whether the user has every permission, and is staff."`
	Grant     []string `env:"-" placeholder:"PERMISSION" help:"Give a permission such as blog.add_post. Repeat it or separate by commas."`
	Revoke    []string `env:"-" placeholder:"PERMISSION" help:"Take away a permission that was given to the user directly."`
	Join      []string `env:"-" placeholder:"GROUP" help:"Make the user a member of a group. Repeat it or separate by commas."`
	Leave     []string `env:"-" placeholder:"GROUP" help:"Take the user out of a group."`

	Extra        *string `env:"-" placeholder:"JSON" help:"A JSON object of yours that the user sees in /api/me; empty: none."`
	PrivateExtra *string `env:"-" placeholder:"JSON" help:"A JSON object of yours that administrators alone see; empty: none."`
}

func (userSet) Help() string {
	return `Only what the flags name changes. Sessions go on; changed rights count from the next request on.

Examples:
  cloakroom user set bob --email bob@example.org --last-name Brown
  cloakroom user set bob --staff --no-superuser
  cloakroom user set bob --grant blog.add_post,blog.change_post
  cloakroom user set bob --join editors --leave authors
  cloakroom user set bob --extra '{"plan":"pro"}'`
}

// Validate checks what the grammar can't.
func (c *userSet) Validate() error {
	if !c.renames() && c.Staff == nil && c.Superuser == nil && len(c.Grant)+len(c.Revoke)+len(c.Join)+len(c.Leave) == 0 {
		return errors.New("nothing to set: say what, for example --email ADDRESS")
	}
	return nil
}

func (c *userSet) Run(ctx context.Context, a *app) error {
	return c.userArg.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		changed, err := administration(s).EditUser(ctx, u.ID, c.apply)
		if err != nil {
			return err
		}
		return a.printUser(changed, "changed %s", changed.Username)
	})
}

// renames reports whether a flag other than those for rights is given.
func (c *userSet) renames() bool {
	return c.Username != nil || c.Email != nil || c.FirstName != nil || c.LastName != nil || c.Language != nil || c.Extra != nil || c.PrivateExtra != nil
}

func (c *userSet) apply(u *account.User) error {
	set(&u.Username, c.Username)
	set(&u.Email, c.Email)
	set(&u.FirstName, c.FirstName)
	set(&u.LastName, c.LastName)
	set(&u.Language, c.Language)
	set(&u.Extra.Public, c.Extra)
	set(&u.Extra.Private, c.PrivateExtra)
	set(&u.IsStaff, c.Staff)
	set(&u.IsSuperuser, c.Superuser)
	for _, p := range c.Revoke {
		if !slices.Contains(u.UserPermissions, p) {
			return fmt.Errorf("%s doesn't have the permission %q directly; nothing was changed", u.Username, p)
		}
	}
	for _, g := range c.Leave {
		if !slices.Contains(u.Groups, g) {
			return fmt.Errorf("%s isn't in the group %q; nothing was changed", u.Username, g)
		}
	}
	u.UserPermissions = without(slices.Concat(u.UserPermissions, c.Grant), c.Revoke)
	u.Groups = without(slices.Concat(u.Groups, c.Join), c.Leave)
	return nil
}

// without returns the texts in all that aren't in some.
func without(all, some []string) []string {
	return slices.DeleteFunc(all, func(one string) bool { return slices.Contains(some, one) })
}

// set changes a field if a value for it was given.
func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}

type userPassword struct {
	userArg
	passwordFlags
	KeepFactors bool `env:"-" help:"Leave authenticator apps, passkeys, security keys, recovery codes and linked accounts as they are."`
}

func (userPassword) Help() string {
	return `All sessions and tokens of the user end, and the user is told by mail if the server sends mail.

Authenticator apps, passkeys, security keys, recovery codes and linked accounts are removed too, because someone else may have added one
of them. The user can add them again. With --keep-factors they stay. If someone else may have got into the account, cloakroom user
compromised gives the user a link instead of a password that two people know.

Examples:
  cloakroom user password ada
  cloakroom user password ada --keep-factors
  cloakroom user password ada --password-stdin < password.txt`
}

func (c *userPassword) Run(ctx context.Context, a *app) error {
	return c.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		c.policy(s)
		return a.withPassword(ctx, c.Stdin, func(password string) error {
			return a.act(ctx, s, admin.AboutUser(u), func(ctx context.Context) error {
				live, err := s.Sessions.List(ctx, u.ID)
				if err != nil {
					return err
				}
				if err := s.SetPassword(ctx, u, cloakroom.PasswordOptions{Password: password, KeepFactors: c.KeepFactors}); err != nil {
					return err
				}
				return a.saySignedOut(u, "changed the password of %s", len(live))
			})
		})
	})
}

type userEnable struct{ userArg }

func (userEnable) Help() string {
	return `Sessions that ended when the user was disabled stay ended.

Example:
  cloakroom user enable bob`
}

func (c *userEnable) Run(ctx context.Context, a *app) error {
	return c.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		if err := administration(s).EnableUser(ctx, u); err != nil {
			return err
		}
		u.IsActive = true
		return a.printUser(u, "enabled %s", u.Username)
	})
}

type userDelete struct {
	userArg
	Yes bool `short:"y" env:"-" help:"Don't ask."`
}

func (userDelete) Help() string {
	return `Asks first, since this can't be undone. To keep a user from signing in for a while, use cloakroom user disable.

Examples:
  cloakroom user delete bob
  cloakroom user delete bob --yes`
}

func (c *userDelete) Run(ctx context.Context, a *app) error {
	return c.about(ctx, a, func(s *cloakroom.Server, u *account.User) error {
		question := fmt.Sprintf("Delete the user %s for good?", printable(u.Username))
		if err := a.confirm(ctx, c.Yes, question); err != nil {
			return err
		}
		return a.act(ctx, s, admin.AboutUser(u), func(ctx context.Context) error {
			live, err := s.Sessions.List(ctx, u.ID)
			if err != nil {
				return err
			}
			if err := s.DeleteUser(ctx, u); err != nil {
				return err
			}
			return a.saySignedOut(u, "deleted %s", len(live))
		})
	})
}

// signedOut finishes a command that has ended every session and token of a user. They have ended even if this fails, since
// the account has another epoch; removing them only clears the lists.
func (a *app) signedOut(ctx context.Context, s *cloakroom.Server, u *account.User, done string) error {
	n, err := s.Sessions.RevokeAll(ctx, u.ID, nil)
	if err == nil {
		_, err = s.Tokens.RevokeAll(ctx, u.ID)
	}
	if err != nil {
		a.printError(fmt.Errorf("the user's sessions and tokens have ended, but could not be removed from the lists: %w", err))
	}
	return a.saySignedOut(u, done, n)
}

// saySignedOut says what a command has done to a user, and how many sessions have ended with it.
func (a *app) saySignedOut(u *account.User, done string, n int) error {
	if a.JSON {
		return a.json(newUserOut(u))
	}
	if n > 0 {
		done += ", and ended " + count(n, "session")
	}
	a.say(done, u.Username)
	return nil
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/session"
)

type userDisable struct {
	Names []string `arg:"" name:"name" help:"The username, e-mail address or ID. Several, or - for a list on standard input, one a line."`
}

func (userDisable) Help() string {
	return `All sessions and tokens of the user end. The account stays: cloakroom user enable lets the user sign in again.

Of several users 1,000 at a time are disabled in one step. The command says how many were disabled, and fails if there is no user of some
name; the others are disabled all the same. Repeat it after an error.

Examples:
  cloakroom user disable bob
  cloakroom user disable bob eve mallory@example.org
  cloakroom user disable - < leavers.txt`
}

// Validate checks what the grammar can't.
func (c *userDisable) Validate() error {
	if len(c.Names) > 1 && slices.Contains(c.Names, "-") {
		return errors.New("- stands alone: give the names on standard input, or as arguments")
	}
	return nil
}

func (c *userDisable) Run(ctx context.Context, a *app) error {
	if len(c.Names) == 1 && c.Names[0] != "-" {
		return c.one(ctx, a)
	}
	names := c.Names
	if names[0] == "-" {
		var err error
		if names, err = a.lines(); err != nil {
			return err
		}
	}
	return with(ctx, a.open, func(s *cloakroom.Server) error { return disableAll(ctx, a, s, names) })
}

func (c *userDisable) one(ctx context.Context, a *app) error {
	return userArg{c.Names[0]}.change(ctx, a, func(ctx context.Context, s *cloakroom.Server, u *account.User) error {
		if err := administration(s).DisableUser(ctx, u); err != nil {
			return err
		}
		u.IsActive = false
		return a.signedOut(ctx, s, u, "disabled %s")
	})
}

// lines reads names from standard input. Blank lines, blanks around a name and a byte order mark before the first don't count.
func (a *app) lines() (names []string, err error) {
	input := bufio.NewScanner(a.in)
	for first := true; input.Scan(); first = false {
		text := input.Text()
		if first {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if name := strings.TrimSpace(text); name != "" {
			names = append(names, name)
		}
	}
	if err := input.Err(); err != nil {
		return nil, fmt.Errorf("read names from standard input: %w; nothing was changed", err)
	}
	return names, nil
}

// disabledOut is what has become of a name.
type disabledOut struct {
	Name    string          `json:"name"`
	ID      json.RawMessage `json:"id,omitempty"`
	Outcome string          `json:"outcome"` // disabled, already_disabled, not_found, unknown or not_reached
}

// disableAll disables the users with these names, and says what has become of them, also if it fails half-way.
func disableAll(ctx context.Context, a *app, s *cloakroom.Server, names []string) error {
	out := make([]disabledOut, len(names))
	places := map[string][]int{} // of the names of each user
	var ids []string
	for i, name := range names {
		out[i] = disabledOut{Name: name, Outcome: "not_found"}
		u, err := s.Accounts.Lookup(ctx, name)
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("find user %q: %w; nothing was changed", name, err)
		}
		if places[u.ID] == nil {
			ids = append(ids, u.ID)
		}
		places[u.ID] = append(places[u.ID], i)
		out[i].ID, out[i].Outcome = admin.JSONID(u.ID), "not_reached"
	}
	var failed error
	for some := range slices.Chunk(ids, admin.MaxTogether) {
		done, err := disableTogether(ctx, a, s, some)
		for _, d := range done {
			outcome := "disabled"
			switch {
			case d.Err != nil: // deleted meanwhile
				outcome = "not_found"
			case d.Already:
				outcome = "already_disabled"
			}
			for _, i := range places[d.ID] {
				out[i].Outcome = outcome
			}
		}
		if err != nil {
			failed = err
			for _, id := range some {
				for _, i := range places[id] {
					if out[i].Outcome == "not_reached" { // the step may be done, and its answer lost
						out[i].Outcome = "unknown"
					}
				}
			}
			break
		}
	}
	return errors.Join(a.sayDisabled(out), failed)
}

// disableTogether disables users in one step.
func disableTogether(ctx context.Context, a *app, s *cloakroom.Server, ids []string) (done []account.Disabled, err error) {
	about := []slog.Attr{slog.Int("count", len(ids)), slog.String("users", logged(strings.Join(ids, " ")))}
	err = a.act(ctx, s, about, func(ctx context.Context) (err error) {
		service := administration(s)
		service.CleanUp = func(ctx context.Context, reason string, users ...string) {
			if err := s.Auth.DeleteRevokedOf(session.WithReason(ctx, reason), users); err != nil {
				a.printError(fmt.Errorf("the sessions and tokens of %s have ended, but could not be removed from the lists: %w", count(len(users), "user"), err))
			}
		}
		done, err = service.DisableUsers(ctx, ids)
		return err
	})
	return done, err
}

// sayDisabled prints what has become of users, and returns an error if some were not found.
func (a *app) sayDisabled(out []disabledOut) error {
	if a.JSON {
		if err := a.json(out); err != nil {
			return err
		}
	}
	n, counted := map[string]int{}, map[string]bool{}
	var unknown []string
	for _, one := range out {
		if one.Outcome == "not_found" {
			unknown = append(unknown, one.Name)
		} else if !counted[string(one.ID)] { // two names may be one user's
			counted[string(one.ID)] = true
			n[one.Outcome]++
		}
	}
	a.say("disabled %s", count(n["disabled"], "user"))
	if n["already_disabled"] > 0 {
		a.say("%s disabled already", wasWere(n["already_disabled"]))
	}
	if n["unknown"] > 0 {
		a.say("it isn't known whether %s disabled; repeat the command", wasWere(n["unknown"]))
	}
	if n["not_reached"] > 0 {
		a.say("%s not disabled", wasWere(n["not_reached"]))
	}
	if len(unknown) == 0 {
		return nil
	}
	var lines strings.Builder
	for _, name := range unknown {
		fmt.Fprintf(&lines, "\n%s", printable(name))
	}
	return fmt.Errorf("there is no user of %s; cloakroom user list shows all:%s", count(len(unknown), "name"), lines.String())
}

func wasWere(n int) string {
	if n == 1 {
		return "1 user was"
	}
	return count(n, "user") + " were"
}

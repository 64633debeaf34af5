package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/cmdline"
)

type auditCmd struct {
	List auditList `cmd:"" help:"List events of the audit log, the latest first."`
}

type auditList struct {
	User  string   `env:"-" placeholder:"NAME" help:"Only events by or about this user: a username, e-mail address or ID; for a deleted user, the ID."`
	Event string   `env:"-" placeholder:"NAME" help:"Only events of this name, such as authn_login_fail."`
	Since timeFlag `env:"-" placeholder:"TIME" help:"Only events since this time: 2006-01-02, 2006-01-02T15:04:05Z, or 24h for 24 hours ago."`
	Until timeFlag `env:"-" placeholder:"TIME" help:"Only events before this time."`
	Limit int      `env:"-" default:"100" placeholder:"N" help:"At most this many events; 0: all."`
}

func (auditList) Help() string {
	return `Events have the names of OWASP's Logging Vocabulary. An event authz_admin with the outcome "attempt" says that an
administrator is about to do something; the events that follow say what was done.

Examples:
  cloakroom audit list
  cloakroom audit list --user ada --since 24h
  cloakroom audit list --event authn_login_fail --since 2026-01-31 --limit 0 --json | jq -r '.[].ip' | sort | uniq -c`
}

// Validate checks what the grammar can't.
func (c *auditList) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("--limit %d: give a positive number, or 0 for all", c.Limit)
	}
	return nil
}

// timeFlag is a point in time, or how long ago it is.
type timeFlag struct{ time.Time }

// UnmarshalText reads such a text. A date means the start of that day in the local time zone.
func (m *timeFlag) UnmarshalText(text []byte) error {
	if ago, err := time.ParseDuration(string(text)); err == nil && ago >= 0 {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		at, err := time.ParseInLocation(layout, string(text), time.Local)
		if err == nil {
			m.Time = at
			return nil
		}
	}
	return fmt.Errorf("%q is no time such as 2006-01-02, 2006-01-02T15:04:05Z or 24h", text)
}

func (m timeFlag) milli() int64 {
	if m.IsZero() {
		return 0
	}
	return cmp.Or(m.UnixMilli(), 1) // 0 is no limit
}

func (c *auditList) Run(ctx context.Context, a *app) error {
	return with(ctx, a.open, func(s *cloakroom.Server) error {
		q := audit.Query{Name: c.Event, From: c.Since.milli(), To: c.Until.milli()}
		err := c.checkEvent(ctx, s)
		if err != nil {
			return err
		}
		if q.User, err = c.userID(ctx, s); err != nil {
			return err
		}
		if a.JSON {
			return c.printJSON(ctx, a, s, q)
		}
		return c.print(ctx, a, s, q)
	})
}

// checkEvent returns an error if --event names no kind of event, and the log has none of that name: "no such events" would hide a slip.
func (c *auditList) checkEvent(ctx context.Context, s *cloakroom.Server) error {
	known := audit.KindNames()
	if c.Event == "" || slices.Contains(known, c.Event) {
		return nil
	}
	events, _, err := s.Audit.Page(ctx, audit.Query{Name: c.Event}, 1) // an earlier version may have had it
	if err != nil || len(events) > 0 {
		return err
	}
	return cmdline.Suggest(fmt.Sprintf("--event: there is no kind of event %q", c.Event), c.Event, known)
}

// userID returns the ID of the user that --user names. A deleted user has only an ID.
func (c *auditList) userID(ctx context.Context, s *cloakroom.Server) (string, error) {
	if c.User == "" || c.User == audit.CommandLine {
		return c.User, nil
	}
	u, err := s.Accounts.Lookup(ctx, c.User)
	switch _, number := strconv.ParseUint(c.User, 10, 63); {
	case err == nil:
		return u.ID, nil
	case errors.Is(err, account.ErrNotFound) && number == nil:
		return c.User, nil
	case errors.Is(err, account.ErrNotFound):
		return "", fmt.Errorf("there is no user %q; for a deleted user, give the ID", c.User)
	}
	return "", err
}

// auditPage is how many events are read at a time.
const auditPage = 500

// each calls do with the selected events, page by page, and returns how many there were.
func (c *auditList) each(ctx context.Context, s *cloakroom.Server, q audit.Query, do func(admin.Event) error) (n int, err error) {
	names := map[string]string{"": "", audit.CommandLine: audit.CommandLine}
	for {
		size := auditPage
		if c.Limit > 0 {
			size = min(size, c.Limit-n)
		}
		events, more, err := s.Audit.Page(ctx, q, size)
		if err != nil {
			return n, err
		}
		for _, e := range events {
			if err := errors.Join(name(ctx, s, names, e.Actor), name(ctx, s, names, e.Subject)); err != nil {
				return n, err
			}
			if err := do(admin.NewEvent(e, names)); err != nil {
				return n, err
			}
		}
		if n += len(events); more == "" || n == c.Limit {
			return n, nil
		}
		q.Before = more
	}
}

// printJSON prints an array, one event at a time, because not all may fit in memory.
func (c *auditList) printJSON(ctx context.Context, a *app, s *cloakroom.Server, q audit.Query) error {
	before := "[\n"
	n, err := c.each(ctx, s, q, func(e admin.Event) error {
		text, err := encodeJSON(e, "  ")
		if err == nil {
			_, err = fmt.Fprint(a.out, before, "  ", strings.TrimSuffix(text, "\n"))
		}
		before = ",\n"
		return err
	})
	switch {
	case err != nil:
		return err
	case n == 0:
		_, err = fmt.Fprintln(a.out, "[]")
	default:
		_, err = fmt.Fprint(a.out, "\n]\n")
	}
	return err
}

func (c *auditList) print(ctx context.Context, a *app, s *cloakroom.Server, q audit.Query) error {
	var rows [][]string
	n, err := c.each(ctx, s, q, func(e admin.Event) error {
		var detail []string
		if e.Session != "" {
			detail = append(detail, "session="+e.Session)
		}
		for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
			detail = append(detail, key+"="+e.Detail[key])
		}
		rows = append(rows, []string{
			e.Time.Local().Format(time.DateTime), e.Event, e.Outcome, cmp.Or(e.Actor, plainID(e.ActorID)),
			cmp.Or(e.User, e.Login, plainID(e.UserID)), e.IP, shorten(strings.Join(detail, " "), 80),
		})
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 {
		a.say("There are no such events, or they are too old.")
		return nil
	}
	return a.table([]string{"TIME", "EVENT", "OUTCOME", "BY", "ABOUT", "ADDRESS", "DETAIL"}, rows)
}

// plainID returns an ID of JSON without quotes; "" for null.
func plainID(id json.RawMessage) string {
	if text, err := strconv.Unquote(string(id)); err == nil {
		return text
	}
	if string(id) == "null" {
		return ""
	}
	return string(id)
}

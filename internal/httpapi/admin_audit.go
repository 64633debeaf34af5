package httpapi

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
)

type auditOut struct {
	Events []admin.Event `json:"events"`
	Next   *string       `json:"next"`
}

// listEvents lists the events of the audit log, the latest first.
func listEvents(c *call, _ none) (auditOut, error) {
	q, err := c.eventQuery()
	if err != nil {
		return auditOut{}, err
	}
	after, limit, err := c.page()
	if err != nil {
		return auditOut{}, err
	}
	q.Before = after
	if err := c.api.Audit.Flush(c.ctx()); err != nil {
		return auditOut{}, err
	}
	events, more, err := c.api.Audit.Page(c.ctx(), q, limit)
	if err != nil {
		return auditOut{}, err
	}
	out := auditOut{Events: []admin.Event{}, Next: nextCursor(more)}
	names := eventNames{}
	for _, e := range events {
		if err := names.add(c.ctx(), c.api.Accounts.Store, e); err != nil {
			return auditOut{}, err
		}
		out.Events = append(out.Events, admin.NewEvent(e, names))
	}
	return out, nil
}

// eventNames maps the IDs of users to their present names. The name of a deleted user is empty.
type eventNames map[string]string

// maxEventNames bounds the memory that an export uses for names.
const maxEventNames = 10_000

// add loads the names of the users of an event.
func (n eventNames) add(ctx context.Context, accounts account.Store, e *audit.Event) error {
	if len(n) > maxEventNames {
		clear(n)
	}
	n[""], n[audit.CommandLine] = "", audit.CommandLine
	for _, id := range []string{e.Actor, e.Subject} {
		if _, known := n[id]; known {
			continue
		}
		u, err := accounts.Load(ctx, id)
		switch {
		case err == nil:
			n[id] = u.Username
		case errors.Is(err, account.ErrNotFound):
			n[id] = ""
		default:
			return err
		}
	}
	return nil
}

// eventQuery returns the filters of the query: user, event, from and to.
func (c *call) eventQuery() (audit.Query, error) {
	v := c.r.URL.Query()
	q := audit.Query{User: v.Get("user"), Name: v.Get("event")}
	wrong := map[string][]string{}
	for name, into := range map[string]*int64{"from": &q.From, "to": &q.To} {
		text := v.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			wrong[name] = []string{"A time such as 2006-01-02T15:04:05Z is required."}
			continue
		}
		*into = cmp.Or(at.UnixMilli(), 1) // 0 would mean no limit
	}
	if len(wrong) > 0 {
		return q, invalid(wrong)
	}
	return q, nil
}

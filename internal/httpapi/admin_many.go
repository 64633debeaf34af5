package httpapi

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
)

var errTooManyUsers = problem.New(http.StatusBadRequest, "too_many_users",
	fmt.Sprintf("One request takes at most %d users. Send several.", admin.MaxTogether))

type disableUsersIn struct {
	Users *idList `json:"users"`
}

// auditAttrs names the users in the audit log's event of the attempt, as far as there is room.
func (in disableUsersIn) auditAttrs() []slog.Attr {
	if in.Users == nil {
		return nil
	}
	return []slog.Attr{slog.Int("count", len(*in.Users)), slog.String("users", shorten(strings.Join(*in.Users, " ")))}
}

type disabledUsersOut struct {
	Users []disabledUserOut `json:"users"`
}

// disabledUserOut says what has become of a user.
type disabledUserOut struct {
	ID      json.RawMessage `json:"id"`
	Outcome string          `json:"outcome"`          // "disabled", "already_disabled", or the code of the error
	Detail  string          `json:"detail,omitempty"` // of the error
}

// disableUsers disables many users in one step.
func disableUsers(c *call, in disableUsersIn) (disabledUsersOut, error) {
	switch {
	case in.Users == nil:
		return disabledUsersOut{}, required(map[string]*string{"users": nil})
	case len(*in.Users) == 0:
		return disabledUsersOut{}, invalid(map[string][]string{"users": {"This list may not be empty."}})
	case len(*in.Users) > admin.MaxTogether:
		return disabledUsersOut{}, errTooManyUsers
	}
	all, err := c.admin().DisableUsers(c.ctx(), *in.Users)
	if err != nil {
		return disabledUsersOut{}, err
	}
	out := disabledUsersOut{Users: []disabledUserOut{}}
	recorded := map[string]bool{}
	for _, d := range all {
		if d.Err != nil && !recorded[d.Err.Error()] {
			recorded[d.Err.Error()] = true
			c.recordRefusal(refusalOf(d.Err)) // as for one user
		}
		out.Users = append(out.Users, c.newDisabledUserOut(d))
	}
	return out, nil
}

func (c *call) newDisabledUserOut(d account.Disabled) disabledUserOut {
	one := disabledUserOut{ID: admin.JSONID(d.ID), Outcome: "disabled"}
	switch {
	case d.Err != nil:
		p := c.api.problem(c.r, refusalOf(d.Err))
		one.Outcome, one.Detail = p.Code, p.Detail
	case d.Already:
		one.Outcome = "already_disabled"
	}
	return one
}

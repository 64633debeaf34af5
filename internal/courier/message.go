package courier

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// delivered are the kinds of events that endpoints get: what has happened to accounts, rights, factors, sessions and tokens. What was only
// tried isn't among them, because strangers could fill the endpoint with it.
var delivered = names(
	audit.UserKinds.Created, audit.UserKinds.Updated, audit.UserKinds.Archived, audit.UserKinds.Compromised, audit.UserKinds.Deleted,
	audit.PrivilegeKinds.PermissionsChanged, audit.EmailKinds.Verified, audit.EmailKinds.Changed, audit.EmailKinds.Reverted, audit.PasswordKinds.Change,
	audit.SecondFactorKinds.Added, audit.SecondFactorKinds.Removed, audit.SecondFactorKinds.RecoveryUsed, audit.SecondFactorKinds.RecoveryRenewed,
	audit.ProviderKinds.Linked, audit.ProviderKinds.Unlinked, audit.TokenKinds.Created, audit.TokenKinds.Revoked,
	audit.SessionKinds.Created, audit.SessionKinds.Expired, audit.SysKinds.Restored,
)

func names(kinds ...audit.Kind) map[string]bool {
	all := map[string]bool{}
	for _, k := range kinds {
		all[k.String()] = true
	}
	return all
}

// Delivers reports whether endpoints get the event.
func Delivers(e *audit.Event) bool { return e.Outcome == audit.Success && delivered[e.Name] }

// message is the body of a request, in the form that Standard Webhooks recommends. It has IDs, and no name or address: a receiver asks
// for what it needs.
type message struct {
	Type      string `json:"type"`      // the name of the event in the audit log
	Timestamp string `json:"timestamp"` // when it happened, as RFC 3339 says
	Data      data   `json:"data"`
}

type data struct {
	Event   string `json:"event_id"`             // in the audit log
	User    string `json:"user_id,omitempty"`    // the user that it is about
	Actor   string `json:"actor_id,omitempty"`   // who caused it; "command line" for a command
	Session string `json:"session_id,omitempty"` // the public ID
	Group   string `json:"group,omitempty"`      // the name of the group that it is about
	Request string `json:"request_id,omitempty"` // in the logs
}

// messageOf returns the ID and the body of the message about an event. They are the same at each attempt. The time is part of the ID
// because the log of a restored database gives the IDs of events once more.
func messageOf(e *audit.Event) (id string, body []byte) {
	at := time.UnixMilli(e.At).UTC()
	body, err := json.Marshal(message{
		Type: e.Name, Timestamp: at.Format("2006-01-02T15:04:05.000Z"),
		Data: data{Event: e.ID, User: e.Subject, Actor: e.Actor, Session: e.Session, Group: e.Detail["group"], Request: e.Request},
	})
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return fmt.Sprintf("evt_%s_%d", e.ID, e.At), body
}

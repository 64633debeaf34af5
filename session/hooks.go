package session

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// EndEvent says which sessions have ended, and why. It is passed to [Manager.OnEnd].
type EndEvent struct {
	User   string
	ID     string // the session's public ID; "": all sessions of the user
	Except string // the public ID of the session that goes on; "": none does
	Reason string // one of the reasons below, or that of [WithReason]
}

// The reasons for which sessions end.
const (
	ReasonSignedOut      = "signed_out"
	ReasonSignedInAgain  = "signed_in_again" // the browser signed in again
	ReasonEndedElsewhere = "ended_elsewhere" // its user ended it from another session
	ReasonReplaced       = "replaced"        // a newer session took its place: MaxSessions
)

type reasonKey struct{}

// WithReason returns a context that gives [Manager.Revoke] and [Manager.RevokeAll] the reason that they report.
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

func reason(ctx context.Context, standard string) string {
	if said, ok := ctx.Value(reasonKey{}).(string); ok {
		return said
	}
	return standard
}

// notify tells OnEnd and the observers that sessions have ended.
func (m *Manager) notify(e EndEvent) {
	if m.OnEnd != nil {
		m.OnEnd(e)
	}
	for _, o := range m.observers {
		if o.ended != nil {
			o.ended(e)
		}
	}
}

// observer holds two functions that are called after Manager.OnEnd and Manager.OnCheck.
type observer struct {
	ended   func(EndEvent)
	checked func(CheckEvent)
}

// Observe adds functions that are called after OnEnd and OnCheck, with the same values and under the same rules. Either may
// be nil. Code that uses a Manager without owning its fields needs it. Call it before first use.
func (m *Manager) Observe(ended func(EndEvent), checked func(CheckEvent)) {
	m.observers = append(m.observers, observer{ended, checked})
}

// CheckEvent is the result of looking up one ticket, for [Manager.OnCheck].
type CheckEvent struct {
	Result string // "live", "unknown" (no such session), "expired", "revoked" (the account's epoch differs), "unproven" (not from the browser that it is bound to) or "unavailable"
	Stored bool   // a store was asked, and not this process's cache alone
}

// The results of a check.
const (
	checkLive        = "live"
	checkUnknown     = "unknown"
	checkExpired     = "expired"
	checkRevoked     = "revoked"
	checkUnproven    = "unproven"
	checkUnavailable = "unavailable"
)

// notifyCheck calls OnCheck and the observers.
func (m *Manager) notifyCheck(ctx context.Context, result string) {
	if m.OnCheck == nil && len(m.observers) == 0 {
		return
	}
	c := CheckEvent{Result: result, Stored: reqinfo.Stored(ctx)}
	if m.OnCheck != nil {
		m.OnCheck(c)
	}
	for _, o := range m.observers {
		if o.checked != nil {
			o.checked(c)
		}
	}
}

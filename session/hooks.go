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

	// Reason is a word of the Manager, "signed_out", "signed_in_again" (in the same browser), "ended_elsewhere" (from another session of
	// the user) or "replaced" (by a newer session: MaxSessions), or that of [WithReason]: Cloakroom's server has also "expired",
	// "password_changed", "account_changed" (its factors or its address), "disabled", "deleted" and "administrator".
	Reason string
}

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
	checked func(result string, stored bool)
}

// Observe adds functions that are called after OnEnd and OnCheck, with the same values and under the same rules. Either may
// be nil. Code that uses a Manager without owning its fields needs it. Call it before first use.
func (m *Manager) Observe(ended func(EndEvent), checked func(result string, stored bool)) {
	m.observers = append(m.observers, observer{ended, checked})
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
	stored := reqinfo.Stored(ctx)
	if m.OnCheck != nil {
		m.OnCheck(result, stored)
	}
	for _, o := range m.observers {
		if o.checked != nil {
			o.checked(result, stored)
		}
	}
}

package session

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
)

// EndEvent says which sessions have ended, and why. One by one, for [Manager.OnEnd].
type EndEvent struct {
	User   string
	ID     string // the session's public ID; "": all sessions of the user
	Except string // the public ID of the one that was spared; "": none was
	Reason string // one of those below, or what [WithReason] said
}

// Why sessions end, in words for programs.
const (
	SignedOut      = "signed_out"
	SignedInAgain  = "signed_in_again" // the browser signed in over it
	EndedElsewhere = "ended_elsewhere" // by its user, from another session
	Replaced       = "replaced"        // by a newer one: MaxSessions
)

type reasonKey struct{}

// WithReason returns a context under which what Revoke and RevokeAll end, ends for this reason.
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

func reason(ctx context.Context, standard string) string {
	if said, ok := ctx.Value(reasonKey{}).(string); ok {
		return said
	}
	return standard
}

// notify passes on that sessions have ended.
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

// observer is who hears of what happens besides Manager.OnEnd and Manager.OnCheck.
type observer struct {
	ended   func(EndEvent)
	checked func(Check)
}

// Observe adds functions that are told what OnEnd and OnCheck are told, after these and under the same rules. It is for code
// that builds on a Manager whose fields belong to somebody else; either may be nil. Call it before first use.
func (m *Manager) Observe(ended func(EndEvent), checked func(Check)) {
	m.observers = append(m.observers, observer{ended, checked})
}

// Check is the result of looking up one ticket, for [Manager.OnCheck].
type Check struct {
	Result string // "live", "unknown" (no such session), "expired", "revoked" (the account's epoch differs) or "unavailable"
	Stored bool   // a store was asked, and not this process's cache alone
}

// The results of a check.
const (
	checkLive        = "live"
	checkUnknown     = "unknown"
	checkExpired     = "expired"
	checkRevoked     = "revoked"
	checkUnavailable = "unavailable"
)

// notifyCheck calls OnCheck and the observers.
func (m *Manager) notifyCheck(ctx context.Context, result string) {
	if m.OnCheck == nil && len(m.observers) == 0 {
		return
	}
	c := Check{Result: result, Stored: reqinfo.Stored(ctx)}
	if m.OnCheck != nil {
		m.OnCheck(c)
	}
	for _, o := range m.observers {
		if o.checked != nil {
			o.checked(c)
		}
	}
}

package session

import "context"

// Ending says which sessions have ended, and why. One by one, for [Manager.Ended].
type Ending struct {
	User   string
	ID     string // the session's public ID; "": all sessions of the user
	Except string // the public ID of the one that was spared; "": none was
	Reason string // one of those below, or what [Because] said
}

// Why sessions end, in words for programs.
const (
	SignedOut      = "signed_out"
	SignedInAgain  = "signed_in_again" // the browser signed in over it
	EndedElsewhere = "ended_elsewhere" // by its user, from another session
	Replaced       = "replaced"        // by a newer one: MaxSessions
)

type reasonKey struct{}

// Because returns a context under which what Revoke and RevokeAll end, ends for this reason.
func Because(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

func reason(ctx context.Context, standard string) string {
	if said, ok := ctx.Value(reasonKey{}).(string); ok {
		return said
	}
	return standard
}

// tell passes on that sessions have ended.
func (m *Manager) tell(e Ending) {
	if m.Ended != nil {
		m.Ended(e)
	}
	for _, o := range m.observers {
		if o.ended != nil {
			o.ended(e)
		}
	}
}

// observer is who hears of what happens besides Manager.Ended and Manager.Checked.
type observer struct {
	ended   func(Ending)
	checked func(Check)
}

// Observe adds functions that are told what Ended and Checked are told, after these and under the same rules. It is for code
// that builds on a Manager whose fields belong to somebody else; either may be nil. Call it before first use.
func (m *Manager) Observe(ended func(Ending), checked func(Check)) {
	m.observers = append(m.observers, observer{ended, checked})
}

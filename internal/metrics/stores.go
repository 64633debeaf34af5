package metrics

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/hooked"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// storeCalls are the labels store and call of each call that is measured: those that requests wait for.
var storeCalls = map[string][2]string{
	"session.Create":        {"sessions", "create"},
	"session.Load":          {"sessions", "load"},
	"session.Replace":       {"sessions", "replace"},
	"session.Touch":         {"sessions", "touch"},
	"session.Delete":        {"sessions", "delete"},
	"session.DeleteUser":    {"sessions", "delete_user"},
	"session.List":          {"sessions", "list"},
	"session.DeleteExpired": {"sessions", "delete_expired"},
	"account.Load":          {"accounts", "load"},
	"account.Find":          {"accounts", "find"},
	"account.List":          {"accounts", "list"},
	"account.Change":        {"accounts", "change"},
	"account.NoteSignIn":    {"accounts", "change"},
	"token.Load":            {"tokens", "load"},
	"token.Replace":         {"tokens", "replace"},
	"token.Touch":           {"tokens", "touch"},
	"token.Delete":          {"tokens", "delete"},
	"throttle.Update":       {"throttles", "update"},
	"audit.Append":          {"audit", "append"},
	"audit.List":            {"audit", "list"},
	"audit.DeleteOlder":     {"audit", "delete_older"},
}

// checkLoads are the calls that a check makes if it isn't answered from memory.
var checkLoads = []string{"session.Load", "account.Load", "token.Load"}

// revoking are the calls that may end sessions.
var revoking = []string{"session.Replace", "session.Delete", "session.DeleteUser"}

// Stores returns the stores with their calls measured. Those that storeCalls doesn't name are as they were.
func (m *Metrics) Stores(s store.Set) store.Set {
	if m == nil {
		return s
	}
	measured := hooked.Stores(store.Set{
		Sessions: s.Sessions, Accounts: s.Accounts, Tokens: s.Tokens, Throttles: s.Throttles, Audit: s.Audit,
	}, m.storeCall)
	s.Sessions, s.Accounts, s.Tokens, s.Throttles, s.Audit = measured.Sessions, measured.Accounts, measured.Tokens, measured.Throttles, measured.Audit
	return s
}

// JoinedView returns the read of sessions with their users measured, as a load of a session; nil for nil.
func (m *Metrics) JoinedView(read func(context.Context, session.ID, int64) (*session.Record, *account.User, error)) func(context.Context, session.ID, int64) (*session.Record, *account.User, error) {
	if m == nil || read == nil {
		return read
	}
	return func(ctx context.Context, id session.ID, now int64) (r *session.Record, u *account.User, err error) {
		err = m.storeCall(ctx, "session.Load", func() error { r, u, err = read(ctx, id, now); return err })
		return r, u, err
	}
}

// storeCall is a [hooked.Hook] that measures. It counts an error as an outage unless it is an answer of the store.
func (m *Metrics) storeCall(ctx context.Context, call string, do func() error) error {
	labels, ok := storeCalls[call]
	if !ok {
		return do()
	}
	if slices.Contains(checkLoads, call) {
		reqinfo.NoteStored(ctx)
	}
	began := time.Now()
	err := do()
	took := time.Since(began)
	m.calls.WithLabelValues(labels[:]...).Observe(took.Seconds())
	if slices.Contains(revoking, call) {
		noteWritten(ctx, took)
	}
	if _, full := errors.AsType[*throttle.Error](err); full {
		m.refusals.Inc()
	}
	if err != nil && !isAnswer(err) {
		m.outages.WithLabelValues(labels[:]...).Inc()
	}
	return err
}

// isAnswer reports whether an error says that the store could answer.
func isAnswer(err error) bool {
	if _, refused := errors.AsType[*hooked.RefusedError](err); refused {
		return true
	}
	if _, taken := errors.AsType[*account.TakenError](err); taken {
		return true
	}
	return slices.ContainsFunc([]error{
		session.ErrNotFound, session.ErrExists, session.ErrConflict, account.ErrNotFound, token.ErrNotFound, token.ErrExists, token.ErrConflict,
	}, func(answer error) bool { return errors.Is(err, answer) })
}

package metrics

import (
	"context"

	"github.com/cloakroom-auth/cloakroom/audit"
)

// events measures the calls of a store of the audit log.
type events struct {
	audit.Store
	m *Metrics
}

// Audit returns the store with its calls measured.
func (m *Metrics) Audit(s audit.Store) audit.Store {
	if m == nil {
		return s
	}
	return events{s, m}
}

// WatchAudit shows how many events wait for the store, how many were left out, and how many a program's OnEvent hasn't seen.
func (m *Metrics) WatchAudit(l *audit.Log) {
	m.gauge("audit_events_waiting", "Events that wait to be written into the audit log.", func() float64 { return float64(l.Stats().Waiting) })
	m.counterFunc("audit_events_left_out_total", "Events that the audit log had no room for; the text log has them.",
		func() float64 { return float64(l.Stats().LeftOut) })
	m.counterFunc("audit_events_unseen_total", "Events that were lost for the program's OnEvent, which was slower; the audit log has them.",
		func() float64 { return float64(l.Stats().Unseen) })
}

func (h events) Append(ctx context.Context, all []*audit.Event) error {
	return h.m.call("audit", "append", oneOf(), func() error { return h.Store.Append(ctx, all) })
}

func (h events) List(ctx context.Context, q audit.Query) (found []*audit.Event, err error) {
	err = h.m.call("audit", "list", oneOf(), func() (err error) {
		found, err = h.Store.List(ctx, q)
		return err
	})
	return found, err
}

func (h events) DeleteOlder(ctx context.Context, before int64, limit int) (n int, err error) {
	err = h.m.call("audit", "delete_older", oneOf(), func() (err error) {
		n, err = h.Store.DeleteOlder(ctx, before, limit)
		return err
	})
	return n, err
}

package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// actTimeout bounds how long an act waits for each of its two writes.
const actTimeout = 5 * time.Second

// Act runs do, which is an administrator's act, once an event with the outcome Attempt is in the Store, which says who is
// about to do what. If that event can't be stored, Act doesn't call do and returns the error.
//
// What came of the act is recorded after it: by do, through Record and with the context that do gets. If do records no
// success, or fails, Act records an event with the outcome. An attempt that no other event of the request follows means that
// the process ended, or lost its store, in between.
//
// The attributes say what is about to be done. Act returns the error of do.
func (l *Log) Act(ctx context.Context, about []slog.Attr, do func(context.Context) error) error {
	l.recordAct(ctx, Attempt, about)
	if err := l.flushAct(ctx); err != nil {
		l.recordAct(ctx, Failure, about)
		return fmt.Errorf("record in the audit log what is about to be done: %w", err)
	}
	var successes atomic.Int32
	err := do(context.WithValue(ctx, successesKey{}, &successes))
	switch {
	case err != nil:
		l.recordAct(ctx, Failure, about)
	case successes.Load() == 0:
		l.recordAct(ctx, Success, about)
	}
	_ = l.flushAct(ctx) // events that can't be written now stay queued, and Run reports the error
	return err
}

func (l *Log) recordAct(ctx context.Context, outcome string, about []slog.Attr) {
	l.record(ctx, AuthzKinds.Admin, outcome, append([]slog.Attr{slog.String("outcome", outcome)}, about...))
}

func (l *Log) flushAct(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	return l.Flush(ctx)
}

// successesKey is the key of the number of successful events of an act.
type successesKey struct{}

func noteSuccess(ctx context.Context, e *Event) {
	if n, ok := ctx.Value(successesKey{}).(*atomic.Int32); ok && e.Outcome == Success {
		n.Add(1)
	}
}

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
// success, or fails, Act records an event with the outcome: a failure also if do records no success, but a refusal by Refuse. An attempt
// that no other event of the request follows means that the process ended, or lost its store, in between.
//
// The attributes say what is about to be done. Act returns the error of do.
func (l *Log) Act(ctx context.Context, about []slog.Attr, do func(context.Context) error) error {
	l.recordAct(ctx, Attempt, about)
	if err := l.flushAct(ctx); err != nil {
		l.recordAct(ctx, Failure, about)
		return fmt.Errorf("record in the audit log what is about to be done: %w", err)
	}
	var so outcomes
	err := do(context.WithValue(ctx, outcomesKey{}, &so))
	switch none := so.successes.Load() == 0; {
	case err != nil, none && so.refusals.Load() > 0:
		l.recordAct(ctx, Failure, about)
	case none:
		l.recordAct(ctx, Success, about)
	}
	_ = l.flushAct(ctx) // events that can't be written now stay queued, and Run reports the error
	return err
}

// Refuse records that an act for many was refused for one of them, which the attributes name. The context is the one that Act's do gets. A
// nil *Log records nothing.
func (l *Log) Refuse(ctx context.Context, about ...slog.Attr) {
	if l == nil {
		return
	}
	if so, ok := ctx.Value(outcomesKey{}).(*outcomes); ok {
		so.refusals.Add(1)
	}
	l.recordAct(ctx, Failure, about)
}

func (l *Log) recordAct(ctx context.Context, outcome string, about []slog.Attr) {
	l.record(ctx, AuthzKinds.Admin, outcome, append([]slog.Attr{slog.String("outcome", outcome)}, about...))
}

func (l *Log) flushAct(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	return l.Flush(ctx)
}

// outcomes counts the successful events of an act, and the refusals.
type outcomes struct{ successes, refusals atomic.Int32 }

type outcomesKey struct{}

func noteSuccess(ctx context.Context, e *Event) {
	if so, ok := ctx.Value(outcomesKey{}).(*outcomes); ok && e.Outcome == Success {
		so.successes.Add(1)
	}
}

package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// actName is OWASP's name for whatever an administrator does.
const actName = "authz_admin"

// actTimeout bounds how long an act waits for each of its two writes.
const actTimeout = 5 * time.Second

// Act carries out what an administrator does. That it is about to be done, and by whom, is in the store before do is called;
// if that can't be written, do is not called, and Act returns why. What came of it is logged after: by do, under the names
// of what it did and with the context that it is given; if do logs nothing, or fails, as an event with this outcome.
// An attempt without either tells that the process ended, or lost its store, in between.
//
// log must go through the Log's Handler; about says what is to be done.
func (l *Log) Act(ctx context.Context, log *slog.Logger, about []slog.Attr, do func(context.Context) error) error {
	tell := func(outcome string) {
		log.LogAttrs(ctx, slog.LevelInfo, actName, append([]slog.Attr{slog.String("outcome", outcome)}, about...)...)
	}
	tell(Attempt)
	if err := l.flushAct(ctx); err != nil {
		tell(Failure)
		return fmt.Errorf("record in the audit log what is to be done: %w", err)
	}
	var successes atomic.Int32
	err := do(context.WithValue(ctx, successesKey{}, &successes))
	switch {
	case err != nil:
		tell(Failure)
	case successes.Load() == 0:
		tell(Success)
	}
	_ = l.flushAct(ctx) // what can't be written now waits, and Run reports it
	return err
}

func (l *Log) flushAct(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	return l.Flush(ctx)
}

type successesKey struct{}

// told counts the successes of an act.
func told(ctx context.Context, e *Event) {
	if n, ok := ctx.Value(successesKey{}).(*atomic.Int32); ok && e.Outcome == Success {
		n.Add(1)
	}
}

package walwatch_test

import (
	"errors"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/walwatch"
)

// TestOwnAndOtherCommitsAreDistinguished tries the orders of a commit of this process and a commit of another process.
func TestOwnAndOtherCommitsAreDistinguished(t *testing.T) {
	failed := errors.New("disk full")
	for name, c := range map[string]struct {
		do     func(l *walwatch.Log)
		others bool
	}{
		"its own": {func(l *walwatch.Log) { l.Begin(); l.Hook(); l.Commit(); l.End(nil) }, false},
		"two of its own": {func(l *walwatch.Log) {
			l.Begin()
			l.Hook()
			l.Commit()
			l.End(nil)
			l.Begin()
			l.Hook()
			l.Commit()
			l.End(nil)
		}, false},
		"none":                                         {func(l *walwatch.Log) { l.Begin(); l.End(nil) }, false},
		"one that failed":                              {func(l *walwatch.Log) { l.Begin(); l.Hook(); l.End(failed) }, false},
		"another's":                                    {func(l *walwatch.Log) { l.Commit() }, true},
		"another's before it begins":                   {func(l *walwatch.Log) { l.Commit(); l.Begin(); l.Hook(); l.Commit(); l.End(nil) }, true},
		"another's before it may commit":               {func(l *walwatch.Log) { l.Begin(); l.Commit(); l.Hook(); l.Commit(); l.End(nil) }, true},
		"another's before the end is noticed":          {func(l *walwatch.Log) { l.Begin(); l.Hook(); l.Commit(); l.Commit(); l.End(nil) }, true},
		"another's after the end":                      {func(l *walwatch.Log) { l.Begin(); l.Hook(); l.Commit(); l.End(nil); l.Commit() }, true},
		"another's after a failure":                    {func(l *walwatch.Log) { l.Begin(); l.Hook(); l.Commit(); l.End(failed) }, true},
		"another's beside a call that commits nothing": {func(l *walwatch.Log) { l.Begin(); l.Commit(); l.End(nil) }, true},
		"one outside of any bracket":                   {func(l *walwatch.Log) { l.Hook(); l.Commit() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := walwatch.NewLog()
			c.do(l)
			if _, others, ok := l.Counter.Seen(); !ok || others > 0 != c.others {
				t.Errorf("others: %d, known: %v", others, ok)
			}
		})
	}
}

func TestWhileAnOwnCommitIsInProgressTheCountIsUnknown(t *testing.T) {
	l := walwatch.NewLog()
	l.Begin()
	l.Hook()
	if _, _, ok := l.Counter.Seen(); !ok {
		t.Error("nothing has changed yet, and it isn't known")
	}
	l.Commit()
	if _, _, ok := l.Counter.Seen(); ok {
		t.Error("whose commit it is can't be known yet")
	}
	l.End(nil)
	if all, others, ok := l.Counter.Seen(); all != 1 || others != 0 || !ok {
		t.Errorf("%d, of others %d, known: %v", all, others, ok)
	}
}

package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestAQuickRunWithoutTimeMeasuresEachRowOnce(t *testing.T) {
	b := &bench{until: time.Now().Add(-time.Second)}
	n := 0
	for b.more(n, 3) {
		n++
	}
	if n != 1 {
		t.Errorf("a measurement was made %d times, want once", n)
	}
	if got := b.within(9*time.Second, time.Second); got != time.Second {
		t.Errorf("within returned %v, want the least, 1s", got)
	}
	b.until = time.Time{}
	for n = 0; b.more(n, 3); n++ {
	}
	if got := b.within(9*time.Second, time.Second); n != 3 || got != 9*time.Second {
		t.Errorf("a full run made %d repetitions and took %v, want 3 and 9s", n, got)
	}
}

func TestAQuickRunSaysThatThereWasNoTimeForARow(t *testing.T) {
	b := &bench{say: func(string, ...any) {}, end: time.Now().Add(-time.Second)}
	b.miss("start-up on redis", io.EOF) // as from a child that the end of the run has killed
	if len(b.missing) != 1 || !strings.Contains(b.missing[0], "start-up on redis: no time was left") {
		t.Errorf("missing is %q, want the row and that no time was left", b.missing)
	}
}

func TestAnInterruptedRoundDoesNotCount(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &bench{plan: plan{burst: time.Millisecond}, peers: []*child{{name: "x"}}, samples: map[string][]sample{}}
	if err := b.rounds(ctx, time.Minute); err == nil || len(b.samples["x"]) != 0 {
		t.Errorf("rounds returned %v and counted %d rounds, want an error and none", err, len(b.samples["x"]))
	}
}

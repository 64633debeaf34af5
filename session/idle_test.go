package session_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/cloakroom-auth/cloakroom/session"
)

// step is a pause and what follows it: a use on one of two nodes, or a check that doesn't count as a use.
type step struct {
	pause time.Duration
	use   bool
	node  int
}

// pattern draws how a person uses a session: pauses of all lengths, often just under or over a limit.
func pattern(t *rapid.T, idle time.Duration) []step {
	base := rapid.SampledFrom([]time.Duration{0, idle / 20, idle / 4, idle / 2, idle})
	off := rapid.SampledFrom([]time.Duration{
		-9 * time.Minute, -2 * time.Minute, -61 * time.Second, -11 * time.Second, -6 * time.Second, -time.Second,
		0, time.Millisecond, time.Second, time.Minute,
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			pause: max(0, base.Draw(t, "base")+off.Draw(t, "off")),
			use:   rapid.IntRange(0, 3).Draw(t, "use") > 0,
			node:  rapid.IntRange(0, 1).Draw(t, "node"),
		}
	}), 4, 30).Draw(t, "steps")
}

// TestTheIdleLimitIsNeverLateAndAMinuteEarlyAtMost lets random people use random sessions on two nodes, with and without
// batches, and checks at each step that the session is live exactly as long as promised.
func TestTheIdleLimitIsNeverLateAndAMinuteEarlyAtMost(t *testing.T) {
	promise := func(rt *rapid.T) {
		idle := rapid.SampledFrom([]time.Duration{2 * time.Hour, 10 * time.Second, time.Minute, 10 * time.Minute, 2 * time.Hour}).Draw(rt, "idle")
		batches := rapid.SliceOfN(rapid.Bool(), 2, 2).Draw(rt, "batches")
		slow := rapid.SampledFrom([]time.Duration{0, 0, 0, 0, 100 * time.Millisecond, 3 * time.Second, 4900 * time.Millisecond, 8 * time.Second}).Draw(rt, "slow store")
		steps := pattern(rt, idle)
		failure := ""
		synctest.Test(t, func(t *testing.T) { failure = live(t, idle, batches, slow, steps) })
		if failure != "" {
			rt.Fatal(failure)
		}
	}
	for range 5 { // a hundred cases each
		rapid.Check(t, promise)
	}
}

// live goes through the steps and returns the broken promise, if any. With a slow store a use may be lost, so that the
// session may end early; it must not end late, nor come back.
func live(t *testing.T, idle time.Duration, batches []bool, slow time.Duration, steps []step) string {
	first := newManager()
	first.Idle, first.Lifetime = idle, 5*idle
	if slow > 0 {
		first.Store = &slowTouch{Store: first.Store, delay: slow}
	}
	nodes := []*session.Manager{first, {Store: first.Store, Idle: first.Idle, Lifetime: first.Lifetime}}
	for i, m := range nodes {
		if batches[i] {
			defer running(t, m)()
		}
	}
	v := &visitor{t: t, m: first}
	v.signIn(session.SignIn{User: "1"})
	start := time.Now()
	used, over := start, false
	exact := max(time.Second, min(time.Minute, idle/10)) // how exactly the last use is known
	for i, step := range steps {
		time.Sleep(step.pause)
		asked := time.Now()
		looker := &visitor{t: t, m: nodes[step.node], cookie: v.cookie}
		if !step.use {
			looker.m = passive(looker.m)
		}
		alive := looker.alive()
		now := time.Now()
		switch {
		case alive && over:
			return fmt.Sprintf("step %d: came back after %v", i, now.Sub(start))
		case alive && asked.Sub(used) >= idle:
			return fmt.Sprintf("step %d: alive %v after the last use", i, asked.Sub(used))
		case alive && asked.Sub(start) >= 5*idle:
			return fmt.Sprintf("step %d: alive after the absolute limit", i)
		case !alive && slow == 0 && asked.Sub(used) < idle-exact-time.Second && asked.Sub(start) < 5*idle-time.Second:
			return fmt.Sprintf("step %d: over only %v after the last use", i, asked.Sub(used))
		}
		over = !alive
		if alive && step.use {
			used = now
		}
	}
	return ""
}

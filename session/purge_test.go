package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

func TestExpiredSessionsLeaveTheStore(t *testing.T) {
	t.Attr("threat", "X08")
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle = 2 * time.Hour
		stop := running(t, m)
		defer stop()
		for i, browser := range []bool{true, true, false} {
			(&visitor{t: t, m: m}).signIn(session.SignIn{User: fmt.Sprint(i), BrowserSession: browser})
		}
		for _, step := range []struct {
			sleep time.Duration
			left  int
		}{{time.Hour - time.Second, 3}, {time.Minute + time.Second, 1}, {58 * time.Minute, 1}, {3 * time.Minute, 0}} {
			time.Sleep(step.sleep)
			synctest.Wait()
			if got := len(rows(t, m.Store)); got != step.left {
				t.Fatalf("%d rows after another %v, want %d", got, step.sleep, step.left)
			}
		}
	})
}

func TestPurgingGoesInSmallBatchesWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		for i := range 1000 {
			r := &session.Record{ID: session.ID{byte(i), byte(i >> 8)}, PublicID: fmt.Sprint(i), User: "1", Expires: 1, Deadline: 1}
			if err := m.Store.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		var left []int
		var at []time.Duration
		inner, start := m.Store, time.Now()
		m.Store = &watched{Store: inner, after: func(method string) error {
			if method == "DeleteExpired" {
				mu.Lock()
				defer mu.Unlock()
				left, at = append(left, len(rows(t, inner))), append(at, time.Since(start))
			}
			return nil
		}}
		stop := running(t, m)
		defer stop()
		time.Sleep(59 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if fmt.Sprint(left) != "[800 400 0]" {
			t.Errorf("rows left after each call: %v", left)
		}
		for i := 1; i < len(at); i++ {
			if at[i]-at[i-1] < 10*time.Millisecond {
				t.Errorf("calls at %v: no pause", at)
			}
		}
	})
}

func TestPurgingHoldsUpNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &session.Manager{Store: bottomless{newManager().Store}}
		stop := running(t, m)
		defer stop()
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		time.Sleep(2 * time.Minute)
		used := time.Now().Unix()
		v.alive()
		time.Sleep(6 * time.Second)
		if r := rows(t, m.Store)[0]; r.Seen != used {
			t.Errorf("a use of %d s ago isn't written while there is something to purge", time.Now().Unix()-used)
		}
	})
}

// bottomless is a store that always has more to purge.
type bottomless struct{ session.Store }

func (bottomless) DeleteExpired(_ context.Context, _ int64, limit int) (int, error) {
	return limit, nil
}

func TestPurgingGoesOnAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		log := logTo(m)
		start := time.Now()
		m.Store = &watched{Store: m.Store, before: func(string) error {
			if time.Since(start) < 90*time.Second {
				return errOutage
			}
			return nil
		}}
		if err := m.Store.(*watched).Store.Create(t.Context(), &session.Record{PublicID: "a", Expires: 1}); err != nil {
			t.Fatal(err)
		}
		stop := running(t, m)
		time.Sleep(3 * time.Minute)
		stop()
		if len(rows(t, m.Store)) != 0 {
			t.Error("nothing was purged after the outage")
		}
		if log.Len() == 0 {
			t.Error("the outage isn't in the log")
		}
	})
}

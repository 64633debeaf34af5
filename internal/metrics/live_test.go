package metrics_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/signin"
)

func TestLiveSessionsAndPendingSignInsAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, db := newMetrics(t), memory.New()
		m.WatchLive(db.Sessions, db.Signins)
		expect(t, m, 0, "sessions_live")
		now := time.Now().Unix()
		for n, expires := range []int64{now - 1, now, now + 100, now + 100} {
			if err := db.Sessions.Create(t.Context(), &session.Record{ID: session.ID{byte(n + 1)}, PublicID: string(rune('a' + n)), User: "1", Expires: expires}); err != nil {
				t.Fatal(err)
			}
		}
		for n, expires := range []int64{now, now + 100} {
			p := &signin.Pending{ID: signin.ID{byte(n + 1)}, Kind: signin.SecondStep, Proof: signin.Proof{User: "1"}, Created: now, Expires: expires}
			if err := db.Signins.Create(t.Context(), p, 5); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		expect(t, m, 2, "sessions_live")
		expect(t, m, 1, "signins_pending")
		time.Sleep(100 * time.Second)
		expect(t, m, 0, "sessions_live")
		expect(t, m, 0, "signins_pending")
	})
}

func TestAStoreThatDoesNotCountHasNoGauge(t *testing.T) {
	m := newMetrics(t)
	m.WatchLive(struct{ session.Store }{memory.New().Sessions}, nil)
	if f := scrape(t, m); f["cloakroom_sessions_live"] != nil || f["cloakroom_signins_pending"] != nil {
		t.Error("a gauge shows what no store counts")
	}
}

// slowCounter takes a while to count how often it was asked.
type slowCounter struct {
	takes time.Duration
	asked int
	err   error
}

func (c *slowCounter) CountLive(ctx context.Context, _ int64) (int, error) {
	c.asked++
	select {
	case <-time.After(c.takes):
		return c.asked, c.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestCountingTakesLittleOfADatabase scrapes each second for an hour, and holds the time of all counts against it.
func TestCountingTakesLittleOfADatabase(t *testing.T) {
	for takes, most := range map[time.Duration]time.Duration{
		10 * time.Millisecond: 36 * time.Second, 500 * time.Millisecond: 40 * time.Second, 3 * time.Second: 3 * time.Minute, time.Hour: 9 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			m, c := newMetrics(t), &slowCounter{takes: takes}
			m.WatchLive(c, nil)
			for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(time.Second) {
				before := time.Now()
				scrape(t, m)
				if waited := time.Since(before); waited > time.Second {
					t.Fatalf("a scrape waited %s", waited)
				}
			}
			if took := time.Duration(c.asked) * min(takes, 10*time.Second); took > most || c.asked < 10 {
				t.Errorf("%d counts of %s in an hour", c.asked, takes)
			}
			time.Sleep(time.Minute) // what runs ends
		})
	}
}

func TestASlowCountIsShownOnceItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := newMetrics(t), &slowCounter{takes: 3 * time.Second}
		m.WatchLive(c, nil)
		if got := value(scrape(t, m), "sessions_live"); !math.IsNaN(got) {
			t.Errorf("%v before anything was counted", got)
		}
		time.Sleep(3 * time.Second)
		expect(t, m, 1, "sessions_live")
		c.err = errors.New("gone")
		time.Sleep(2 * time.Minute)
		expect(t, m, 1, "sessions_live") // the former one, while the next is made
		time.Sleep(3 * time.Second)
		if got := value(scrape(t, m), "sessions_live"); !math.IsNaN(got) {
			t.Errorf("%v though the database can't be read", got)
		}
	})
}

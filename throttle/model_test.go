package throttle_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"pgregory.net/rapid"
)

func attempts() *rapid.Generator[throttle.Attempt] {
	return rapid.Custom(func(t *rapid.T) throttle.Attempt {
		return throttle.Attempt{
			Name:    rapid.SampledFrom([]string{"", "ann", "ann@example.org", "bob"}).Draw(t, "name"),
			Account: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "account"),
			Device:  rapid.SampledFrom([]string{"", "", "laptop"}).Draw(t, "device"),
			Address: rapid.SampledFrom([]netip.Addr{{}, home, abroad}).Draw(t, "address"),
		}
	})
}

// TestUndoneTriesMightAsWellNotHaveHappened runs two guards through the same days, but the second never gets the tries that
// the first gives back. In the end both return the same.
func TestUndoneTriesMightAsWellNotHaveHappened(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			with, without := newGuard(), newGuard()
			r.Repeat(map[string]func(*rapid.T){
				"undo": func(r *rapid.T) {
					a := attempts().Draw(r, "attempt")
					for range rapid.IntRange(1, 12).Draw(r, "times") {
						blocked(t, with, a)
					}
				},
				"fail": func(r *rapid.T) {
					a := attempts().Draw(r, "attempt")
					for range rapid.IntRange(1, 12).Draw(r, "times") {
						if blocked(t, with, a) == 0 {
							fail(t, with, a, 1)
							fail(t, without, a, 1)
						}
					}
				},
				"succeed": func(r *rapid.T) {
					a := attempts().Draw(r, "attempt")
					if blocked(t, with, a) == 0 {
						succeed(t, with, a)
						succeed(t, without, a)
					}
				},
				"wait": func(r *rapid.T) {
					time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 59, 60, 600, 900, 3600, 80000, 86400}).Draw(r, "seconds")) * time.Second)
				},
			})
			for _, account := range []string{"1", "2"} {
				for _, device := range []string{"", "laptop"} {
					for _, addr := range []netip.Addr{home, abroad} {
						a := throttle.Attempt{Account: account, Address: addr, Device: device}
						if x, y := blocked(t, with, a), blocked(t, without, a); x != y {
							r.Fatalf("%+v waits %v, and %v had nothing been undone", a, x, y)
						}
					}
				}
			}
		})
	})
}

// Tries of several clients overlap in every way. However they end, no more than the limit of them are open or failed
// in a window.
func TestOverlappingTriesStayWithinTheLimit(t *testing.T) {
	type open struct {
		try *throttle.Try
		at  time.Time
	}
	rapid.Check(t, func(r *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			// Each try is made in another process, so it doesn't wait for open ones.
			store, a := memory.New().Throttles, throttle.Attempt{Account: "1"}
			var pending []open
			var counted []time.Time // begun and not given back, since the last success
			take := func(r *rapid.T) open {
				if len(pending) == 0 {
					r.Skip()
				}
				i := rapid.IntRange(0, len(pending)-1).Draw(r, "which")
				o := pending[i]
				pending = append(pending[:i:i], pending[i+1:]...)
				return o
			}
			r.Repeat(map[string]func(*rapid.T){
				"reserve": func(r *rapid.T) {
					for range rapid.IntRange(1, 15).Draw(r, "times") {
						g := &throttle.Guard{Store: store}
						try, err := g.Reserve(t.Context(), a)
						if full := new(throttle.Error); errors.As(err, &full) {
							if full.RetryAfter < time.Second || full.RetryAfter > time.Hour {
								r.Fatalf("wait of %v", full.RetryAfter)
							}
							return
						}
						pending = append(pending, open{try, time.Now()})
						counted = append(counted, time.Now())
					}
				},
				"fail": func(r *rapid.T) { _ = take(r).try.Failed(t.Context()) },
				"undo": func(r *rapid.T) {
					o := take(r)
					_ = o.try.Undo(t.Context())
					for i, at := range counted {
						if at.Equal(o.at) {
							counted = append(counted[:i:i], counted[i+1:]...)
							break
						}
					}
				},
				"succeed": func(r *rapid.T) {
					_ = take(r).try.Succeeded(t.Context())
					// Open tries were counted before the success, and aren't part of the next count.
					pending, counted = nil, nil
				},
				"wait": func(*rapid.T) { time.Sleep(time.Minute) },
				"": func(r *rapid.T) {
					recent := 0
					for _, at := range counted {
						if time.Since(at) < time.Minute {
							recent++
						}
					}
					// Two windows may meet in this minute, the older one with one try less than its limit.
					if recent > 9+10 {
						r.Fatalf("%d tries in a minute", recent)
					}
				},
			})
		})
	})
}

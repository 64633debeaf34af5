package server_test

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
)

// TestStormOfSignInsIsBounded lets 200 clients sign in at the same moment, half of them with a wrong password, and then a hundred more,
// one each 5 ms. Each gets a correct answer or "busy", memory stays bounded, and every /api/me is answered with 200. The long run has
// ten such bursts, and then 800 more.
func TestStormOfSignInsIsBounded(t *testing.T) {
	t.Attr("threat", "P10")
	s := start(t)
	bursts, later, times := 1, 100, 1
	if long {
		bursts = 10 // the 99th percentile of one would be the third of its answers from the end
		later, times = 200, 4
	}
	users := s.people("sam", 200+later)
	v := s.holding(s.give(users[0])[0])
	idle := measure(t, v, func() { time.Sleep(time.Duration(1+bursts) * time.Second) })
	before := s.memory()

	all := s.rush(slices.Repeat(users[:200], bursts), 200, 0)
	inBurst := measure(t, v, all.happen)
	burst := all.answers()
	each := s.rush(slices.Repeat(users[200:], times), 1, 5*time.Millisecond)
	inSteady := measure(t, v, each.happen)
	steady := each.answers()
	after := s.memory()

	for i, a := range append(slices.Clone(burst), steady...) {
		if !a.honest(i) {
			t.Errorf("sign-in %d is answered %s, %v", i, a.answer, a.err)
		}
	}
	t.Logf("200 sign-ins at once:     %s", summary(burst))
	t.Logf("one more each 5 ms:       %s", summary(steady))
	t.Logf("/api/me before:           %s", summary(idle))
	t.Logf("/api/me in the burst:     %s", summary(inBurst))
	t.Logf("/api/me while it lasts:   %s", summary(inSteady))
	t.Logf("memory: %d MB before, %d MB at most", before.resident>>20, after.peak>>20)
	if most := before.resident + (20*hashers+30)<<20; after.peak > most && !raceDetector {
		t.Errorf("the server took %d MB, more than the %d MB for %d hashes at a time", after.peak>>20, most>>20, hashers)
	}
}

// hashers is the number of passwords that the server verifies at a time: the number of processors minus one.
var hashers = int64(max(1, runtime.GOMAXPROCS(0)-1))

// rush returns a rush of these users, each with its own address.
func (s *server) rush(users []*account.User, wave int, pause time.Duration) *gathered {
	s.t.Helper()
	r := rush{Base: s.base, Wave: wave, Pause: pause}
	for i, u := range users {
		r.People = append(r.People, entrant{s.visitor().address, u.Username, guess(i)})
	}
	return r.gather(s.t)
}

// guess returns a wrong password for every other user.
func guess(i int) string {
	if i%2 == 1 {
		return "a wrong password for this one"
	}
	return goodPassword
}

// honest reports whether the answer is one of those that a sign-in may get.
func (a timed) honest(i int) bool {
	switch {
	case a.err != nil:
		return false
	case a.status == http.StatusServiceUnavailable, a.status == http.StatusTooManyRequests:
		return a.header.Get("Retry-After") != "" && !a.setsCookie()
	case i%2 == 1:
		return a.status == http.StatusUnauthorized && !a.setsCookie()
	}
	return a.status == http.StatusOK && a.setsCookie()
}

// timed is an answer and how long it took.
type timed struct {
	answer
	err  error
	took time.Duration
}

func clock(request func() (answer, error)) timed {
	began := time.Now()
	a, err := request()
	return timed{a, err, time.Since(began)}
}

// measure calls /api/me 500 times a second while something happens, without waiting for answers, like independent clients. All
// answers must be 200.
func measure(t *testing.T, v *visitor, while func()) []timed {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var all []timed
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var group sync.WaitGroup
		defer group.Wait()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			group.Go(func() {
				one := clock(v.s.holding(v.ticket()).me)
				mu.Lock()
				all = append(all, one)
				mu.Unlock()
			})
		}
	}()
	while()
	close(stop)
	<-stopped
	for _, one := range all {
		if one.err != nil || one.status != http.StatusOK {
			t.Errorf("/api/me meanwhile: %s, %v", one.answer, one.err)
		}
	}
	return all
}

// quantile returns the time within which this share of the answers came.
func quantile(all []timed, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	times := make([]time.Duration, len(all))
	for i, one := range all {
		times[i] = one.took
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(share*float64(len(times))))]
}

func summary(all []timed) string {
	counts := map[int]int{}
	for _, one := range all {
		counts[one.status]++
	}
	var parts []string
	for _, status := range []int{200, 401, 429, 503, 0} {
		if counts[status] > 0 {
			parts = append(parts, fmt.Sprintf("%d× %d", counts[status], status))
		}
	}
	return fmt.Sprintf("%s; median %v, p99 %v, slowest %v", strings.Join(parts, ", "),
		round(quantile(all, 0.5)), round(quantile(all, 0.99)), round(quantile(all, 1)))
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

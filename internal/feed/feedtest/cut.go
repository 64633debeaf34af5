package feedtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var feedCutCases = []testCase{
	{"a listener that was cut off goes down and comes up again", promiseEach, checkFeedComesBack},
	{"a cut leaves no gap behind", promiseEach, checkFeedCuts},
}

func checkFeedComesBack(t *testing.T, b Broadcast) {
	f := b.Join(t)
	e := listen(t, f)
	for i := range 3 {
		b.Cut(t)
		e.wait("up again", func() bool { return e.up && len(e.ups) == i+2 })
		m := fmt.Sprintf("after cut %d", i)
		sendAnyway(t, f, m)
		e.hears(m)
	}
}

// sendAnyway repeats Send until it succeeds, because a cut may break the connections for sending as well.
func sendAnyway(t *testing.T, f interface {
	Send(context.Context, string) error
}, m string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), feedPatience)
	defer cancel()
	for {
		err := f.Send(ctx, m)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// checkFeedCuts sends consecutive numbers while the connections are cut, and checks that between each Up and Down no number is
// missing but those whose Send failed.
func checkFeedCuts(t *testing.T, b Broadcast) {
	sender := b.Join(t)
	ears := []*ear{listen(t, b.Join(t)), listen(t, b.Join(t))}
	var failed sync.Map
	var number atomic.Int64
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
			}
			n := number.Add(1)
			ctx, cancel := context.WithTimeout(context.Background(), feedPatience)
			if err := sender.Send(ctx, fmt.Sprintf("n %d", n)); err != nil {
				failed.Store(n, true)
				time.Sleep(time.Millisecond)
			}
			cancel()
		}
	})
	for i := range 4 {
		for _, e := range ears {
			e.wait("up", func() bool { return e.up && len(e.ups) > i && len(e.heard) > e.ups[len(e.ups)-1]+20 })
		}
		b.Cut(t)
	}
	for _, e := range ears {
		e.wait("up", func() bool { return e.up && len(e.ups) > 4 })
	}
	close(end)
	group.Wait()
	sendAnyway(t, sender, "end")
	for _, e := range ears {
		heard := e.hears("end")
		e.mu.Lock()
		ups := append([]int{}, e.ups...)
		e.mu.Unlock()
		for i, from := range ups {
			to := len(heard)
			if i+1 < len(ups) {
				to = ups[i+1]
			}
			checkCount(t, heard[from:to], &failed)
		}
	}
}

func checkCount(t *testing.T, heard []string, failed *sync.Map) {
	last := int64(0)
	for _, m := range heard {
		digits, ok := strings.CutPrefix(m, "n ")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= last {
			t.Fatalf("%q was heard after %d", m, last)
		}
		for missing := last + 1; last != 0 && missing < n; missing++ {
			if _, ok := failed.Load(missing); !ok {
				t.Fatalf("%d was heard after %d, and no Down in between", n, last)
			}
		}
		last = n
	}
}

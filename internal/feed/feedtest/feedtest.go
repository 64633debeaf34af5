// Package feedtest holds the promises of a [feed.Feed] as tests that each implementation runs.
package feedtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// Broadcast is one feed as several processes use it.
type Broadcast struct {
	// Join returns the feed of another process, with its own connections, which end with the test.
	Join func(t *testing.T) feed.Feed

	// Cut breaks the connections of all listeners, as the network or the server could; later connections work. Nil means that
	// there are no connections; the cases of cuts are then left out.
	Cut func(t *testing.T)
}

// Run runs all cases. open returns a feed that no other test uses.
func Run(t *testing.T, open func(t *testing.T) Broadcast) {
	run(t, open, feedCases)
	if open(t).Cut != nil {
		run(t, open, feedCutCases)
	}
}

const (
	promiseOrder = "feed.Feed: there is one order of all messages, the same for every listener"
	promiseEach  = "feed.Feed: a listener hears everything whose Send begins after its Up, each once, until Down"
	promiseCalls = "feed.Listener: Up, then Messages, then Down, one call at a time, nothing after Listen has returned"
)

var feedCases = []testCase{
	{"every listener hears every message in one order", promiseOrder, checkFeedOrder},
	{"a message comes after those that were sent before it on other nodes", promiseOrder, checkFeedFollows},
	{"a listener that is up hears the next message", promiseEach, checkFeedUp},
	{"a later listener hears all messages from then on", promiseEach, checkFeedLate},
	{"a message arrives unchanged", promiseEach, checkFeedTexts},
	{"an invalid message is refused", "feed.Feed.Send: a message that Check accepts", checkFeedRefuses},
	{"sending needs no listener", "feed.Feed.Send: whether or not there is a listener", checkFeedAlone},
	{"the end of the context ends Send and Listen", promiseCalls, checkFeedEnd},
	{"a listener's functions are called one at a time", promiseCalls, checkFeedCalls},
	{"the same feed can be listened to again", "feed.Feed: to begin anew, it calls Listen again", checkFeedAgain},
}

// feedPatience bounds every wait; only a hang reaches it.
const feedPatience = 60 * time.Second

// ear is a listener that records what it hears.
type ear struct {
	t     *testing.T
	end   context.CancelFunc
	done  chan error
	woken chan struct{}
	calls atomic.Int32

	mu    sync.Mutex
	heard []string
	ups   []int // how many messages were heard before each Up
	up    bool
	wrong string
}

// listen returns an ear that is up.
func listen(t *testing.T, f feed.Feed) *ear {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	e := &ear{t: t, end: end, done: make(chan error, 1), woken: make(chan struct{}, 1)}
	go func() {
		e.done <- f.Listen(ctx, feed.Listener{Up: e.goUp, Message: e.message, Down: e.goDown, Failed: e.failed})
	}()
	t.Cleanup(e.stop)
	e.wait("up", func() bool { return e.up })
	return e
}

// note records a call, and checks that calls don't overlap.
func (e *ear) note(change func()) {
	if e.calls.Add(1) > 1 {
		defer func() { e.wrong = "two functions are called at once" }()
	}
	defer e.calls.Add(-1)
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

func (e *ear) goUp() {
	e.note(func() {
		if e.up {
			e.wrong = "Up while up"
		}
		e.up, e.ups = true, append(e.ups, len(e.heard))
	})
}

func (e *ear) message(m string) {
	e.note(func() {
		if !e.up {
			e.wrong = "a message while down"
		}
		e.heard = append(e.heard, m)
	})
}

func (e *ear) goDown(err error) {
	e.note(func() {
		if !e.up || err == nil {
			e.wrong = fmt.Sprintf("Down(%v) while up is %v", err, e.up)
		}
		e.up = false
	})
}

func (e *ear) failed(err error) {
	e.note(func() {
		if e.up || err == nil {
			e.wrong = fmt.Sprintf("Failed(%v) while up is %v", err, e.up)
		}
	})
}

// wait waits until the condition holds, which it evaluates under the lock. At the bound it ends the test.
func (e *ear) wait(what string, holds func() bool) {
	e.t.Helper()
	over := time.After(feedPatience)
	for {
		e.mu.Lock()
		held, wrong, heard := holds(), e.wrong, len(e.heard)
		e.mu.Unlock()
		if wrong != "" {
			e.t.Fatal(wrong)
		}
		if held {
			return
		}
		select {
		case <-e.woken:
		case err := <-e.done:
			e.t.Fatalf("Listen returned %v while the test waited for %s", err, what)
		case <-over:
			e.t.Fatalf("%v passed without %s; %d messages were heard", feedPatience, what, heard)
		}
	}
}

// hears waits for a message, and returns all messages.
func (e *ear) hears(last string) []string {
	e.t.Helper()
	e.wait("the message "+last, func() bool { return slices.Contains(e.heard, last) })
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// stop ends Listen, and checks that it returns nil after Down.
func (e *ear) stop() {
	e.end()
	select {
	case err := <-e.done:
		if err != nil {
			e.t.Errorf("Listen returned %v at the end of its context", err)
		}
	case <-time.After(feedPatience):
		e.t.Errorf("Listen did not return at the end of its context")
	}
	e.done <- nil // for the next stop
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.up {
		e.t.Error("Listen returned without Down")
	}
	if e.wrong != "" {
		e.t.Error(e.wrong)
	}
}

func send(t *testing.T, f feed.Feed, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), feedPatience)
	defer cancel()
	ok(t, f.Send(ctx, message))
}

func checkFeedOrder(t *testing.T, b Broadcast) {
	nodes := []feed.Feed{b.Join(t), b.Join(t), b.Join(t)}
	var ears []*ear
	for _, f := range nodes {
		ears = append(ears, listen(t, f))
	}
	var group sync.WaitGroup
	for n, f := range nodes {
		for lane := range 2 {
			group.Go(func() {
				for i := range 100 {
					if err := f.Send(context.Background(), fmt.Sprintf("m %d %d %03d", n, lane, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	send(t, nodes[0], "end")
	want := ears[0].hears("end")
	if len(want) != 601 || len(slices.Compact(slices.Sorted(slices.Values(want)))) != 601 {
		t.Fatalf("601 messages were sent, %d were heard", len(want))
	}
	for _, e := range ears[1:] {
		if got := e.hears("end"); !slices.Equal(got, want) {
			t.Fatalf("two listeners heard two orders:\n%q\n%q", want, got)
		}
	}
	last := map[string]string{}
	for _, m := range want[:600] {
		if lane := m[:5]; m <= last[lane] {
			t.Fatalf("%q came after %q", m, last[lane])
		} else {
			last[lane] = m
		}
	}
}

func checkFeedFollows(t *testing.T, b Broadcast) {
	nodes := []feed.Feed{b.Join(t), b.Join(t), b.Join(t)}
	e := listen(t, nodes[2])
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("m %d", i))
		send(t, nodes[i%2], want[i])
	}
	if got := e.hears("m 99"); !slices.Equal(got, want) {
		t.Fatalf("heard %q", got)
	}
}

func checkFeedUp(t *testing.T, b Broadcast) {
	sender := b.Join(t)
	for i := range 10 {
		f := b.Join(t)
		e := listen(t, f)
		send(t, []feed.Feed{sender, f}[i%2], "first")
		e.hears("first")
		e.stop()
	}
}

func checkFeedLate(t *testing.T, b Broadcast) {
	sender := b.Join(t)
	first := listen(t, b.Join(t))
	end := make(chan struct{})
	var sent atomic.Int64
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				send(t, sender, fmt.Sprintf("m %d", sent.Add(1)))
				time.Sleep(time.Millisecond) // a feed may drop a listener that is thousands of messages behind
			}
		}
	})
	var late []*ear
	var begun []int64
	for range 3 {
		e := listen(t, b.Join(t))
		late, begun = append(late, e), append(begun, sent.Load())
		e.wait("some messages", func() bool { return len(e.heard) > 20 })
	}
	close(end)
	group.Wait()
	send(t, sender, "end")
	all := first.hears("end")
	for i, e := range late {
		got := e.hears("end")
		if want := all[max(0, len(all)-len(got)):]; !slices.Equal(got, want) {
			t.Fatalf("listener %d heard with a gap:\n%q\n%q", i, got, want)
		}
		if next := fmt.Sprintf("m %d", begun[i]+1); !slices.Contains(got, next) {
			t.Fatalf("listener %d was up and did not hear %q, but %q …", i, next, got[0])
		}
	}
}

func checkFeedTexts(t *testing.T, b Broadcast) {
	f := b.Join(t)
	e := listen(t, b.Join(t))
	var printable strings.Builder
	for c := ' '; c <= '~'; c++ {
		printable.WriteRune(c)
	}
	want := []string{
		" ", "x", printable.String(), " blanks around ", "''", `"`, `\`, `\x00`, "$1", "%s %d", "; drop table sessions; --", "\\n",
		strings.Repeat("x", feed.MaxMessage), strings.Repeat("'", feed.MaxMessage), strings.Repeat(`\`, feed.MaxMessage),
	}
	for _, m := range want {
		send(t, f, m)
	}
	send(t, f, "end")
	if got := e.hears("end"); !slices.Equal(got, append(want, "end")) {
		t.Fatalf("sent %q\nheard %q", want, got)
	}
}

func checkFeedRefuses(t *testing.T, b Broadcast) {
	f := b.Join(t)
	e := listen(t, b.Join(t))
	for _, m := range []string{
		"", strings.Repeat("x", feed.MaxMessage+1), "a\x00b", "\x00", "line\nline", "tab\t", "ü", "\xff", "\u2028", "\x7f",
	} {
		fails(t, f.Send(t.Context(), m), feed.ErrMessage)
	}
	send(t, f, "end")
	if got := e.hears("end"); len(got) != 1 {
		t.Fatalf("heard %q", got)
	}
}

func checkFeedAlone(t *testing.T, b Broadcast) {
	f := b.Join(t)
	for range 10 {
		send(t, f, "without listeners")
	}
	e := listen(t, f)
	send(t, f, "end")
	if got := e.hears("end"); len(got) != 1 {
		t.Fatalf("heard what was sent before: %q", got)
	}
}

func checkFeedEnd(t *testing.T, b Broadcast) {
	f := b.Join(t)
	e := listen(t, f)
	if err := f.Send(ended(), "late"); err == nil {
		t.Fatal("Send takes a context that has ended")
	}
	deaf := feed.Listener{Up: func() {}, Message: func(string) {}, Down: func(error) {}, Failed: func(error) {}}
	fails(t, f.Listen(ended(), deaf), nil)
	e.stop()
	e.mu.Lock()
	heard := len(e.heard)
	e.mu.Unlock()
	send(t, f, "after the end")
	time.Sleep(50 * time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard) != heard || e.wrong != "" {
		t.Fatalf("a function was called after Listen had returned: %q %s", e.heard, e.wrong)
	}
}

func checkFeedCalls(t *testing.T, b Broadcast) {
	f := b.Join(t)
	e := listen(t, f)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if err := f.Send(context.Background(), "m"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	send(t, f, "end")
	if got := e.hears("end"); len(got) != 401 {
		t.Fatalf("400 messages were sent, %d were heard", len(got)-1)
	}
}

func checkFeedAgain(t *testing.T, b Broadcast) {
	f := b.Join(t)
	for range 3 {
		e := listen(t, f)
		send(t, f, "m")
		if got := e.hears("m"); len(got) != 1 {
			t.Fatalf("heard %q", got)
		}
		e.stop()
	}
	first, second := listen(t, f), listen(t, f)
	send(t, f, "to both")
	first.hears("to both")
	second.hears("to both")
}

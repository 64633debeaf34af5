package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// journal is a Log over a store that counts its writes and can fail.
type journal struct {
	audit.Log
	t      *testing.T
	text   bytes.Buffer
	out    atomic.Bool
	writes atomic.Int32
}

// leftOut is the name of the event that says how many events were dropped.
const leftOut = "audit_events_left_out"

func newJournal(t *testing.T) *journal {
	j := &journal{t: t}
	j.Store = &watched{memory.New().Audit, j}
	j.Text = slog.New(reqinfo.LogHandler(slog.NewTextHandler(&j.text, &slog.HandlerOptions{Level: slog.LevelWarn})))
	return j
}

type watched struct {
	audit.Store
	j *journal
}

func (w *watched) Append(ctx context.Context, events []*audit.Event) error {
	w.j.writes.Add(1)
	if w.j.out.Load() {
		return errors.New("out")
	}
	return w.Store.Append(ctx, events)
}

// events returns what is in the store, the earliest first.
func (j *journal) events(q audit.Query) []*audit.Event {
	j.t.Helper()
	found, err := j.Store.List(context.Background(), q)
	if err != nil {
		j.t.Fatal(err)
	}
	return found
}

func (j *journal) flush() {
	j.t.Helper()
	if err := j.Flush(j.t.Context()); err != nil {
		j.t.Fatal(err)
	}
}

// TestAnEventIsInBothLogs: in the store with all its attributes, whatever the level of the text log.
func TestAnEventIsInBothLogs(t *testing.T) {
	j := newJournal(t)
	j.UserID = func(_ context.Context, login string) string { return map[string]string{"ada": "7"}[login] }
	ctx := reqinfo.New(t.Context(), netip.MustParseAddr("192.0.2.1"), "Browser/1 "+strings.Repeat("é", 400))
	text := slog.String
	j.Record(ctx, audit.LoginKinds.Fail, text("login", "ada"), text("reason", "throttled"), text("empty", ""))
	j.Record(ctx, audit.SessionKinds.Created, text("user", "7"), text("session", "S"), text("method", "password"))
	j.Record(ctx, audit.LoginKinds.Success, text("login", "ada"))
	j.Record(ctx, audit.UserKinds.Deleted, text("actor", "1"), text("user", "7"), text("login", "ada"), slog.Int("tokens", 2))
	j.Record(context.Background(), audit.MaliciousKinds.CSRF, text("reason", "csrf_failed"), text("stack", "main.go"))
	j.flush()
	var got []string
	for _, e := range j.events(audit.Query{}) {
		got = append([]string{fmt.Sprint(e.Name, " ", e.Outcome, " by ", e.Actor, " to ", e.Subject, " ", e.Login, " ", e.Session, " ", e.Detail)}, got...)
		if time.Since(time.UnixMilli(e.At)) > time.Minute || e.Name != "malicious_csrf" && (e.Address != "192.0.2.1" || e.Request != reqinfo.ID(ctx) ||
			!strings.HasPrefix(e.Agent, "Browser/1 é") || len(e.Agent) > 512) {
			t.Errorf("%+v", e)
		}
	}
	want := []string{
		"authn_login_fail failure by  to 7 ada  map[reason:throttled]",
		"session_created success by 7 to 7  S map[method:password]",
		"authn_login_success success by 7 to 7 ada  map[]",
		"user_deleted success by 1 to 7 ada  map[tokens:2]",
		"malicious_csrf failure by  to    map[reason:csrf_failed]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := strings.Count(j.text.String(), "\n"); n != 2 || strings.Contains(j.text.String(), "Browser") {
		t.Errorf("the text log has %d lines, want 2 without the User-Agent:\n%s", n, &j.text)
	}
}

// TestEventsAreWrittenTogether: many in one step, within a moment.
func TestEventsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = j.Run(ctx) })
		for n := range 400 {
			j.Record(t.Context(), audit.LoginKinds.Success, slog.String("user", fmt.Sprint(n)))
		}
		time.Sleep(time.Second)
		if n, writes := len(j.events(audit.Query{})), j.writes.Load(); n != 400 || writes != 1 {
			t.Errorf("%d events in %d writes", n, writes)
		}
		j.Record(t.Context(), audit.LoginKinds.Success, slog.String("user", "last"))
		stop()
		running.Wait()
		if n := len(j.events(audit.Query{})); n != 401 {
			t.Errorf("%d events at the end", n)
		}
	})
}

// TestFlushWaitsForWhatWasLoggedBefore, even if another call of Flush writes it.
func TestFlushWaitsForWhatWasLoggedBefore(t *testing.T) {
	j := newJournal(t)
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			user := fmt.Sprint("u", n)
			j.Record(t.Context(), audit.UserKinds.Updated, slog.String("actor", "1"), slog.String("user", user))
			if err := j.Flush(t.Context()); err != nil {
				t.Error(err)
			}
			if len(j.events(audit.Query{User: user})) != 1 {
				t.Errorf("%s: not there after Flush", user)
			}
		})
	}
	all.Wait()
}

// TestAnOutageLosesNothingThatThereIsRoomFor, and is reported once.
func TestAnOutageLosesNothingThatThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = j.Run(ctx) })
		j.out.Store(true)
		for n := range 800 {
			j.Record(t.Context(), audit.LoginKinds.Success, slog.String("user", fmt.Sprint(n)))
		}
		if err := j.Flush(t.Context()); err == nil {
			t.Error("Flush returned nil during an outage")
		}
		time.Sleep(10 * time.Second)
		j.out.Store(false)
		time.Sleep(time.Second)
		found := j.events(audit.Query{})
		if len(found) != 800 || found[0].Subject != "799" || found[799].Subject != "0" {
			t.Errorf("%d events", len(found))
		}
		stop()
		running.Wait()
		if n := strings.Count(j.text.String(), "audit events wait for the store"); n != 1 {
			t.Errorf("reported %d times", n)
		}
	})
}

// TestAFloodIsCountedNotKept checks that strangers can fill neither memory nor disk, and can't displace events of
// administrators.
func TestAFloodIsCountedNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		for range 3000 {
			j.Record(t.Context(), audit.SessionKinds.UseAfterExpire, slog.String("reason", "unknown"))
		}
		for n := range 8000 {
			j.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", fmt.Sprint(n)))
		}
		j.Record(t.Context(), audit.LoginKinds.Fail, slog.String("login", "ada"))
		j.out.Store(true)
		_ = j.Flush(t.Context())
		for n := range 20_000 {
			j.Record(t.Context(), audit.SessionKinds.Renewed, slog.String("user", fmt.Sprint(n)))
		}
		for range 50 {
			j.Record(t.Context(), audit.UserKinds.Updated, slog.String("actor", "1"), slog.String("user", "2"))
		}
		j.out.Store(false)
		j.flush()
		count := map[string]int{}
		for _, e := range j.events(audit.Query{}) {
			count[e.Name]++
			if e.Name == leftOut && e.Detail["events"] != "4000" && e.Detail["events"] != "17002" {
				t.Errorf("left out: %v", e.Detail)
			}
		}
		// 10,000 have room: 1000 and 6000 of the first two, one sign-in, one event about the dropped ones, and the rest.
		want := map[string]int{"session_use_after_expire": 1000, "session_created": 6000, "authn_login_fail": 1, leftOut: 2,
			"session_renewed": 2998, "user_updated": 50}
		for name := range want {
			if count[name] != want[name] {
				t.Errorf("%d of %s, want %d", count[name], name, want[name])
			}
		}
		time.Sleep(time.Minute)
		j.Record(t.Context(), audit.SessionKinds.UseAfterExpire, slog.String("reason", "unknown"))
		j.flush()
		if n := len(j.events(audit.Query{Name: "session_use_after_expire"})); n != 1001 {
			t.Errorf("a minute later: %d", n)
		}
	})
}

// bounded records the largest number of events to be deleted in one step.
type bounded struct {
	audit.Store
	most *int
}

func (b bounded) DeleteOlder(ctx context.Context, before int64, limit int) (int, error) {
	*b.most = max(*b.most, limit)
	return b.Store.DeleteOlder(ctx, before, limit)
}

func TestOldEventsAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		j.Retention = 24 * time.Hour
		most := 0
		j.Store = bounded{j.Store, &most}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = j.Run(ctx) })
		for n := range 1200 {
			j.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", fmt.Sprint(n)))
		}
		time.Sleep(23 * time.Hour)
		j.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", "late"))
		time.Sleep(50 * time.Minute)
		if n := len(j.events(audit.Query{})); n != 1201 {
			t.Errorf("%d events before their time", n)
		}
		time.Sleep(20 * time.Minute)
		if left := j.events(audit.Query{}); len(left) != 1 || left[0].Subject != "late" {
			t.Errorf("%d events are left", len(left))
		}
		stop()
		running.Wait()
		if most != 500 {
			t.Errorf("%d events are removed in one step", most)
		}
	})
}

func TestANegativeRetentionDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t)
		j.Retention = -time.Hour
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = j.Run(ctx) })
		j.Record(t.Context(), audit.SessionKinds.Created, slog.String("user", "ada"))
		time.Sleep(24 * time.Hour)
		if n := len(j.events(audit.Query{})); n != 1 {
			t.Errorf("%d events are left", n)
		}
		stop()
		running.Wait()
	})
}

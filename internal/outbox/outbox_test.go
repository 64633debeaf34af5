package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/storetest"
)

// relay is a mail server that answers with what answer returns, and notes each attempt.
type relay struct {
	mu       sync.Mutex
	attempts []attempt
	answer   func(n int, ctx context.Context) error // n: how many attempts there were before
}

type attempt struct {
	mail.Message
	at time.Time
}

func (r *relay) Send(ctx context.Context, m *mail.Message) error {
	r.mu.Lock()
	n := len(r.attempts)
	r.attempts = append(r.attempts, attempt{*m, time.Now()})
	r.mu.Unlock()
	if r.answer == nil {
		return nil
	}
	return r.answer(n, ctx)
}

func (r *relay) all() []attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]attempt(nil), r.attempts...)
}

// box is an outbox on stores in memory.
type box struct {
	*outbox.Service
	stores store.Set
	keys   *keyring.DataKeys
	audit  *audit.Log
	relay  *relay
	log    bytes.Buffer

	written  int
	refuses  bool // to write
	writesNo bool // message
}

// write writes the message of a request.
func (b *box) write(_ context.Context, r *outbox.Request) (*mail.Message, error) {
	b.written++
	switch {
	case b.refuses:
		return nil, errors.New("the store is out")
	case b.writesNo:
		return nil, nil
	}
	return &mail.Message{Kind: r.Kind, User: r.User, To: r.To, Subject: "S", Text: fmt.Sprintf("the words %d\n", b.written)}, nil
}

func newBox(t *testing.T, file string, all, seen store.Set, r *relay) *box {
	t.Helper()
	ring, err := keyring.Create(file)
	if err != nil {
		ring, err = keyring.Load(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &box{stores: all, relay: r, keys: keyring.NewDataKeys(ring, all.Sealed)}
	text := slog.New(slog.NewTextHandler(&b.log, nil))
	b.audit = &audit.Log{Store: all.Audit, Text: text}
	b.Service = outbox.New(seen.Mail, b.keys, r, b.write, b.audit, text)
	return b
}

// run runs the service until the function that it returns is called.
func (b *box) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

func (b *box) put(t *testing.T, life time.Duration) {
	t.Helper()
	err := b.Put(t.Context(), outbox.Request{Kind: "reset", User: "7", To: "ada@example.org"}, life)
	if err != nil {
		t.Fatal(err)
	}
}

func (b *box) waiting(t *testing.T) int {
	t.Helper()
	all, err := b.stores.Mail.List(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// events returns the names and details of the events so far.
func (b *box) events(t *testing.T) string {
	t.Helper()
	if err := b.audit.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := b.audit.Store.List(t.Context(), audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range all {
		fmt.Fprintln(&text, e.Name, e.Subject, e.Detail)
	}
	return text.String()
}

func alone(t *testing.T, do func(t *testing.T, b *box)) {
	file := filepath.Join(t.TempDir(), "secret.key")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		do(t, newBox(t, file, set, set, &relay{}))
	})
}

// TestAMessageIsSentAtOnceAndDeleted, but not before the answer of its request is away: what its message costs would be in the time of that.
func TestAMessageIsSentAtOnceAndDeleted(t *testing.T) {
	t.Attr("threat", "R03")
	alone(t, func(t *testing.T, b *box) {
		stop := b.run(t)
		time.Sleep(time.Second)
		asked := time.Now()
		b.put(t, time.Hour)
		time.Sleep(49 * time.Millisecond)
		synctest.Wait()
		if b.waiting(t) != 1 || len(b.relay.all()) != 0 {
			t.Error("it was sent before its request was answered")
		}
		time.Sleep(51 * time.Millisecond)
		synctest.Wait()
		if got := b.relay.all(); len(got) != 1 || got[0].To != "ada@example.org" || got[0].Text != "the words 1\n" || got[0].ID == "" || got[0].at.Sub(asked) > 100*time.Millisecond {
			t.Errorf("sent: %+v", got)
		}
		stop()
		if b.waiting(t) != 0 {
			t.Error("it is still in the outbox")
		}
		if got := b.events(t); !strings.HasPrefix(got, "mail_sent 7") || strings.Contains(got+b.log.String(), "ada@") || strings.Contains(got+b.log.String(), "words") {
			t.Errorf("the events are %s", got)
		}
	})
}

// TestWhatIsWrittenElsewhereIsSent within seconds: by another process, such as a command.
func TestWhatIsWrittenElsewhereIsSent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret.key")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		server, command := newBox(t, file, set, set, &relay{}), newBox(t, file, set, set, &relay{})
		stop := server.run(t)
		time.Sleep(time.Second)
		command.put(t, time.Hour)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := len(server.relay.all()); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
		stop()
	})
}

// TestATemporaryRefusalIsTriedAgain after one, five, fifteen and sixty minutes, until the message has expired.
func TestATemporaryRefusalIsTriedAgain(t *testing.T) {
	t.Attr("threat", "MA04")
	alone(t, func(t *testing.T, b *box) {
		b.relay.answer = func(int, context.Context) error { return errors.New("451") }
		began := time.Now()
		b.put(t, 4*time.Hour)
		stop := b.run(t)
		time.Sleep(5 * time.Hour)
		stop()
		want := []time.Duration{0, time.Minute, 6 * time.Minute, 21 * time.Minute, 81 * time.Minute, 141 * time.Minute, 201 * time.Minute}
		got := b.relay.all()
		if len(got) != len(want) {
			t.Fatalf("%d attempts, want %d", len(got), len(want))
		}
		for i, a := range got {
			if late := a.at.Sub(began) - want[i]; late < 0 || late > time.Minute || a.ID != got[0].ID || a.Text != got[0].Text {
				t.Errorf("attempt %d came after %v, want %v", i, a.at.Sub(began), want[i])
			}
		}
		if b.waiting(t) != 0 || !strings.HasPrefix(b.events(t), "mail_expired 7") {
			t.Errorf("%d messages wait; the events are %s", b.waiting(t), b.events(t))
		}
	})
}

func TestASenderThatPanicsIsTriedAgain(t *testing.T) {
	alone(t, func(t *testing.T, b *box) {
		b.relay.answer = func(n int, _ context.Context) error {
			if n == 0 {
				panic("no such template")
			}
			return nil
		}
		b.put(t, 4*time.Hour)
		stop := b.run(t)
		time.Sleep(time.Hour)
		stop()
		if n := len(b.relay.all()); n != 2 || b.waiting(t) != 0 || !strings.HasPrefix(b.events(t), "mail_sent") {
			t.Errorf("%d attempts; %d messages wait; the events are %s", n, b.waiting(t), b.events(t))
		}
		if text := b.log.String(); !strings.Contains(text, "no such template") || !strings.Contains(text, "outbox_test.go") {
			t.Errorf("the log doesn't say what has panicked, and where:\n%s", text)
		}
	})
}

func TestARefusedMessageIsDropped(t *testing.T) {
	alone(t, func(t *testing.T, b *box) {
		b.relay.answer = func(int, context.Context) error {
			return fmt.Errorf("wrapped: %w", &mail.RefusedError{Code: 550, Status: "5.1.1"})
		}
		stop := b.run(t)
		b.put(t, time.Hour)
		time.Sleep(time.Hour)
		stop()
		got := b.events(t)
		if len(b.relay.all()) != 1 || b.waiting(t) != 0 || !strings.HasPrefix(got, "mail_refused 7") || !strings.Contains(got, "550") || !strings.Contains(got, "5.1.1") {
			t.Errorf("%d attempts, %d wait, the events are %s", len(b.relay.all()), b.waiting(t), got)
		}
	})
}

// TestAServerThatComesBack gets everything that waited, each message once.
func TestAServerThatComesBack(t *testing.T) {
	t.Attr("threat", "MA04")
	alone(t, func(t *testing.T, b *box) {
		back := time.Now().Add(10 * time.Minute)
		b.relay.answer = func(_ int, ctx context.Context) error {
			if time.Now().Before(back) { // it hangs
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		stop := b.run(t)
		for range 5 {
			b.put(t, time.Hour)
		}
		time.Sleep(time.Hour)
		stop()
		accepted := map[string]int{}
		for _, a := range b.relay.all() {
			if !a.at.Before(back) {
				accepted[a.ID]++
			}
		}
		if len(accepted) != 5 || b.waiting(t) != 0 {
			t.Errorf("accepted %v, and %d wait", accepted, b.waiting(t))
		}
		for id, n := range accepted {
			if n != 1 {
				t.Errorf("%s was accepted %d times", id, n)
			}
		}
	})
}

// TestTwoNodesSendEachMessageOnce, also if the mail server is slow.
func TestTwoNodesSendEachMessageOnce(t *testing.T) {
	t.Attr("threat", "MA04")
	file := filepath.Join(t.TempDir(), "secret.key")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		r := &relay{answer: func(int, context.Context) error { time.Sleep(50 * time.Second); return nil }}
		first, second := newBox(t, file, set, set, r), newBox(t, file, set, set, r)
		for range 4 {
			first.put(t, time.Hour)
		}
		stopFirst, stopSecond := first.run(t), second.run(t)
		time.Sleep(time.Hour)
		stopFirst()
		stopSecond()
		seen := map[string]bool{}
		for _, a := range r.all() {
			if seen[a.ID] {
				t.Errorf("%s was sent twice", a.ID)
			}
			seen[a.ID] = true
		}
		if len(seen) != 4 || first.waiting(t) != 0 {
			t.Errorf("%d messages were sent, and %d wait", len(seen), first.waiting(t))
		}
	})
}

// TestACrashLosesNothing: the message that a process had begun to send when it died is sent by the next one, as the same message.
func TestACrashLosesNothing(t *testing.T) {
	t.Attr("threat", "MA04")
	file := filepath.Join(t.TempDir(), "secret.key")
	synctest.Test(t, func(t *testing.T) {
		set := memory.New().Set
		// The process dies between the acceptance and its mark: its deletion never reaches the store.
		dies := storetest.Faulty(set, &storetest.FaultPlan{Call: 4, Rest: true})
		dead := newBox(t, file, set, dies, &relay{})
		dead.put(t, time.Hour)
		stop := dead.run(t)
		time.Sleep(time.Second)
		stop()
		if len(dead.relay.all()) != 1 || dead.waiting(t) != 1 {
			t.Fatalf("%d were sent, and %d wait; want 1 and 1", len(dead.relay.all()), dead.waiting(t))
		}
		next := newBox(t, file, set, set, &relay{})
		stop = next.run(t)
		time.Sleep(10 * time.Minute)
		stop()
		if got := next.relay.all(); len(got) != 1 || got[0].ID != dead.relay.all()[0].ID || next.waiting(t) != 0 {
			t.Errorf("the next process sent %+v, and %d wait", got, next.waiting(t))
		}
	})
}

// TestAFaultOfTheStoreSendsNothingTwice, and loses nothing that Put has acknowledged.
func TestAFaultOfTheStoreSendsNothingTwice(t *testing.T) {
	t.Attr("threat", "MA04")
	file := filepath.Join(t.TempDir(), "secret.key")
	for n := 1; ; n++ {
		calls := 0
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				set := memory.New().Set
				plan := &storetest.FaultPlan{Call: n, After: after}
				b := newBox(t, file, set, storetest.Faulty(set, plan), &relay{})
				stop := b.run(t)
				err := b.Put(t.Context(), outbox.Request{Kind: "reset", To: "ada@example.org"}, time.Hour)
				time.Sleep(20 * time.Minute)
				stop()
				calls = len(plan.Calls())
				sent := len(b.relay.all())
				if sent > 1 || err == nil && sent != 1 || b.waiting(t) != 0 {
					t.Errorf("call %d fails (done: %v): Put returned %v, %d were sent, and %d wait", n, after, err, sent, b.waiting(t))
				}
			})
		}
		if n > 8 {
			if calls < n {
				t.Fatalf("only %d calls were made", calls)
			}
			break
		}
	}
}

// TestTheStoreShowsNothingOfAMessage, and a new data key seals it anew.
func TestTheStoreShowsNothingOfAMessage(t *testing.T) {
	t.Attr("threat", "MA03")
	set := memory.New().Set
	b := newBox(t, filepath.Join(t.TempDir(), "secret.key"), set, set, &relay{})
	b.put(t, time.Hour)
	before, err := set.Mail.List(t.Context(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"ada", "reset", "words", `"7"`} {
		if strings.Contains(fmt.Sprintf("%+v %s", before[0], before[0].Body), word) {
			t.Errorf("the store shows %q", word)
		}
	}
	if n, err := b.keys.Reseal(t.Context(), outbox.Column(set.Mail)); n != 1 || err != nil {
		t.Fatalf("Reseal = %d, %v", n, err)
	}
	after, err := set.Mail.List(t.Context(), "", 1)
	if err != nil || bytes.Equal(after[0].Body, before[0].Body) {
		t.Fatalf("it wasn't sealed anew, %v", err)
	}
	all, err := outbox.List(t.Context(), set.Mail, b.keys)
	if err != nil || len(all) != 1 || all[0].Err != nil || all[0].Request.To != "ada@example.org" {
		t.Errorf("the list is %+v, %v", all, err)
	}
}

// TestAMessageUnderAnotherIDDoesNotOpen: who can write the database must not turn one person's message into another's.
func TestAMessageUnderAnotherIDDoesNotOpen(t *testing.T) {
	t.Attr("threat", "MA03")
	set := memory.New().Set
	b := newBox(t, filepath.Join(t.TempDir(), "secret.key"), set, set, &relay{})
	b.put(t, time.Hour)
	q, err := set.Mail.Claim(t.Context(), time.Now().Unix(), 0)
	if err != nil {
		t.Fatal(err)
	}
	q.ID = "another"
	if err := set.Mail.Put(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	all, err := outbox.List(t.Context(), set.Mail, b.keys)
	if err != nil || len(all) != 2 {
		t.Fatalf("the list is %+v, %v", all, err)
	}
	for _, w := range all {
		if (w.Err == nil) != (w.ID != "another") {
			t.Errorf("%s opens with %v", w.ID, w.Err)
		}
	}
}

// TestAStopWaitsForTheMessageThatIsBeingSent for a few seconds, and one that takes longer is sent by the next process at once.
func TestAStopWaitsForTheMessageThatIsBeingSent(t *testing.T) {
	for takes, sent := range map[time.Duration]bool{3 * time.Second: true, time.Minute: false} {
		alone(t, func(t *testing.T, b *box) {
			b.relay.answer = func(_ int, ctx context.Context) error {
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			stop := b.run(t)
			b.put(t, time.Hour)
			time.Sleep(time.Second) // it is written a little after its request
			began := time.Now()
			stop()
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("the stop took %v", took)
			}
			if (b.waiting(t) == 0) != sent {
				t.Errorf("a message that takes %v: %d wait", takes, b.waiting(t))
			}
			if !sent {
				if _, err := b.stores.Mail.Claim(t.Context(), time.Now().Unix(), 0); err != nil {
					t.Errorf("it isn't due: %v", err)
				}
			}
		})
	}
}

// TestARequestIsWrittenOnce: a link in a message that is sent again must be the one that counts.
func TestARequestIsWrittenOnce(t *testing.T) {
	t.Attr("threat", "MA04")
	alone(t, func(t *testing.T, b *box) {
		b.relay.answer = func(n int, _ context.Context) error {
			if n < 3 {
				return errors.New("451")
			}
			return nil
		}
		b.refuses = true
		b.put(t, 9*time.Hour)
		stop := b.run(t)
		time.Sleep(10 * time.Minute)
		b.refuses, b.written = false, 0
		time.Sleep(8 * time.Hour)
		stop()
		got := b.relay.all()
		if len(got) != 4 || b.written != 1 || b.waiting(t) != 0 {
			t.Fatalf("written %d times, tried %d times, and %d wait", b.written, len(got), b.waiting(t))
		}
		for _, a := range got {
			if a.Text != got[0].Text {
				t.Errorf("the words changed: %q, %q", got[0].Text, a.Text)
			}
		}
	})
}

// TestARequestWithoutAMessageIsDropped, without a word in any log: it would tell which addresses there are.
func TestARequestWithoutAMessageIsDropped(t *testing.T) {
	alone(t, func(t *testing.T, b *box) {
		b.writesNo = true
		b.put(t, time.Hour)
		stop := b.run(t)
		time.Sleep(time.Minute)
		stop()
		if len(b.relay.all()) != 0 || b.waiting(t) != 0 || b.events(t)+b.log.String() != "" {
			t.Errorf("%d sent, %d wait, the logs have %s%s", len(b.relay.all()), b.waiting(t), b.events(t), &b.log)
		}
	})
}

func TestWithoutASenderThereIsNoOutbox(t *testing.T) {
	if outbox.New(memory.New().Mail, nil, nil, nil, nil, slog.Default()) != nil || outbox.New(nil, nil, &relay{}, nil, nil, slog.Default()) != nil {
		t.Error("there is one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var none *outbox.Service
	if err := none.Run(ctx); err != nil {
		t.Error(err)
	}
}

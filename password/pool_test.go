package password_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/password"
)

func TestACallThatWouldWaitTooLongIsRefused(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 2, Wait: 300 * time.Millisecond}
		release := h.Hold(2)
		defer release()
		began := time.Now()
		_, err := h.Verify(t.Context(), "", good)
		busy, ok := errors.AsType[*password.BusyError](err)
		if !ok || busy.RetryAfter < time.Second {
			t.Fatalf("%v, want a BusyError that says when to come back", err)
		}
		if waited := time.Since(began); waited != 300*time.Millisecond {
			t.Errorf("refused after %v", waited)
		}
		if h.Spent() != 0 {
			t.Error("something was computed")
		}
	})
}

func TestTheQueueIsBoundedByTheWait(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 1, Wait: 500 * time.Millisecond}
		release := h.Hold(1)
		began := time.Now()
		var atOnce, late atomic.Int64
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if _, err := h.Hash(t.Context(), good); err == nil {
					t.Error("computed where there was no room")
				}
				if time.Since(began) == 0 {
					atOnce.Add(1)
				} else {
					late.Add(1)
				}
			})
		}
		all.Wait()
		release()
		if n := late.Load(); n < 10 || n > 30 {
			t.Errorf("%d waited, %d were refused at once", n, atOnce.Load())
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("the last was answered after %v", waited)
		}
	})
}

func TestACancelledCallLeavesTheQueue(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 1}
		release := h.Hold(1)
		ctx, cancel := context.WithCancel(t.Context())
		refused := make(chan error)
		go func() {
			_, err := h.Hash(ctx, good)
			refused <- err
		}()
		synctest.Wait()
		if h.Waiting() != 1 {
			t.Fatalf("%d wait", h.Waiting())
		}
		cancel()
		if err := <-refused; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if h.Waiting() != 0 {
			t.Errorf("%d wait after the only one has gone", h.Waiting())
		}
		release()
		synctest.Wait()
		if _, err := h.Hash(t.Context(), good); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestLargeHashesTakeTheRoomOfMany(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 4, Wait: 100 * time.Millisecond}
		release := h.Hold(3)
		defer release()
		large := "$argon2id$v=19$m=77824,t=1,p=1$" + salt16 + "$" + tag32 // four times 19 MiB
		if _, err := h.Verify(t.Context(), large, good); !isBusy(err) {
			t.Errorf("76 MiB in the room of one: %v", err)
		}
		if _, err := h.Verify(t.Context(), "", good); err != nil {
			t.Errorf("19 MiB in the room of one: %v", err)
		}
	})
}

func TestNoMoreThanTheWorkersComputeAtATime(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 3, Wait: time.Minute}
		var done atomic.Int64
		var all sync.WaitGroup
		release := h.Hold(2)
		for range 5 {
			all.Go(func() {
				if _, err := h.Hash(t.Context(), good); err != nil {
					t.Error(err)
				}
				done.Add(1)
			})
		}
		all.Wait() // by the one worker that is left
		release()
		if done.Load() != 5 || h.Spent() != 5 {
			t.Errorf("%d answered, %v computed", done.Load(), h.Spent())
		}
	})
}

func TestACancelledCallForMuchMemoryDelaysNoOther(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 4, Wait: time.Minute}
		release := h.Hold(3)
		ctx, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		large := make(chan error)
		go func() {
			_, err := h.Verify(ctx, "$argon2id$v=19$m=77824,t=1,p=1$"+salt16+"$"+tag32, good)
			large <- err
		}()
		synctest.Wait()
		began := time.Now()
		small := make(chan error)
		go func() {
			_, err := h.Verify(t.Context(), "", good)
			small <- err
		}()
		if err := <-large; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("76 MiB where there was room for 19: %v", err)
		}
		if err := <-small; err != nil || time.Since(began) != time.Second {
			t.Errorf("19 MiB, after %v: %v", time.Since(began), err)
		}
		release()
	})
}

func TestOneSlowHashDelaysNoOtherForLong(t *testing.T) {
	t.Attr("threat", "P10")
	synctest.Test(t, func(t *testing.T) {
		h := &password.Hasher{Workers: 1, Wait: 500 * time.Millisecond}
		release := h.Hold(1)
		time.Sleep(10 * time.Second) // what an imported hash may take that asks for the most iterations
		release()
		synctest.Wait()
		if n := admitted(h); n > 2 {
			t.Errorf("%d are admitted at a time when a hash takes more than a second", n)
		}
		for range 30 { // none of which takes any time here
			if _, err := h.Hash(t.Context(), good); err != nil {
				t.Fatal(err)
			}
		}
		if n := admitted(h); n < 10 {
			t.Errorf("only %d are admitted at a time when hashes are quick again", n)
		}
	})
}

// admitted returns how many calls are admitted at a time.
func admitted(h *password.Hasher) int {
	for n := 0; ; n++ {
		release, err := h.Admit()
		if err != nil || n > 1000 {
			return n
		}
		defer release()
	}
}

func TestARefusedCallComputesNoHash(t *testing.T) {
	t.Attr("threat", "P10")
	h := &password.Hasher{Workers: 2, Wait: 300 * time.Millisecond}
	var releases []func()
	for {
		release, err := h.Admit()
		if err != nil {
			if !isBusy(err) {
				t.Fatal(err)
			}
			break
		}
		if releases = append(releases, release); len(releases) > 1000 {
			t.Fatal("every call is admitted")
		}
	}
	if n := len(releases); n < 2+300/30 || n > 2+2*300/20 {
		t.Errorf("%d are admitted to 2 workers, who need 30 ms each, within 300 ms", n)
	}
	for range 100 {
		if _, err := h.Admit(); !isBusy(err) {
			t.Fatalf("one more: %v", err)
		}
	}
	releases[0]()
	if _, err := h.Admit(); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
	if h.Spent() != 0 {
		t.Error("something was computed")
	}
}

func isBusy(err error) bool {
	_, ok := errors.AsType[*password.BusyError](err)
	return ok
}

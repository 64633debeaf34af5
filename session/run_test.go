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

// counted returns a Manager whose calls of the store are counted, by method.
func counted(m *session.Manager) (*session.Manager, func(method string) int) {
	var mu sync.Mutex
	calls := map[string]int{}
	m.Store = &watched{Store: m.Store, before: func(method string) error {
		mu.Lock()
		defer mu.Unlock()
		calls[method]++
		return nil
	}}
	return m, func(method string) int {
		mu.Lock()
		defer mu.Unlock()
		return calls[method]
	}
}

// running starts the Manager's background work and returns a function that ends it.
func running(t *testing.T, m *session.Manager) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestAUseIsWrittenAtMostOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, calls := counted(newManager())
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		for second := 1; second <= 600; second++ {
			time.Sleep(time.Second)
			if !v.alive() {
				t.Fatal("over")
			}
			if got, want := calls("Touch"), second/60; got != want {
				t.Fatalf("%d writes after %d seconds of use, want %d", got, second, want)
			}
		}
	})
}

func TestUsesAreWrittenInBatchesWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, calls := counted(newManager())
		stop := running(t, m)
		defer stop()
		var visitors []*visitor
		for i := range 50 {
			v := &visitor{t: t, m: m}
			v.signIn(session.SignIn{User: fmt.Sprint(i)})
			visitors = append(visitors, v)
		}
		time.Sleep(61 * time.Second)
		now := time.Now()
		for range 3 {
			for _, v := range visitors {
				s, err := v.look()
				if err != nil || s == nil || !s.LastSeenAt.Equal(now.Truncate(time.Second)) {
					t.Fatalf("a use isn't seen at once: %+v, %v", s, err)
				}
			}
		}
		if calls("Touch") != 0 {
			t.Fatalf("%d writes before the batch", calls("Touch"))
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if calls("Touch") != 1 {
			t.Fatalf("%d writes, want one batch", calls("Touch"))
		}
		for _, r := range rows(t, m.Store) {
			if r.Seen != now.Unix() || r.Expires != now.Unix()+r.Idle {
				t.Fatalf("written: %+v, used at %d", r, now.Unix())
			}
		}
		time.Sleep(time.Minute)
		if calls("Touch") != 1 {
			t.Error("an empty batch was written")
		}
	})
}

func TestRunWritesWhatIsLeftAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, calls := counted(newManager())
		stop := running(t, m)
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		time.Sleep(61 * time.Second)
		v.alive()
		if calls("Touch") != 0 {
			t.Fatal("written already")
		}
		used := time.Now().Unix()
		stop()
		if r := rows(t, m.Store)[0]; r.Seen != used {
			t.Errorf("seen at %d, used at %d", r.Seen, used)
		}
		// From now on nothing waits for a batch that never comes.
		time.Sleep(61 * time.Second)
		v.alive()
		if r := rows(t, m.Store)[0]; r.Seen != time.Now().Unix() {
			t.Errorf("after Run: seen at %d, used at %d", r.Seen, time.Now().Unix())
		}
	})
}

func TestAUseJustBeforeTheEndIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle = time.Hour
		stop := running(t, m)
		defer stop()
		v := &visitor{t: t, m: m}
		v.signIn(session.SignIn{User: "1"})
		time.Sleep(time.Hour - time.Second)
		if !v.alive() {
			t.Fatal("over a second early")
		}
		time.Sleep(time.Hour - time.Second)
		if !v.alive() {
			t.Error("the use a second before the end was lost")
		}
	})
}

func TestABatchThatComesTooLateRevivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager()
		m.Idle = time.Hour
		start := time.Now()
		m.Store = &watched{Store: m.Store, before: func(method string) error {
			if since := time.Since(start); method == "DeleteExpired" && since >= 59*time.Minute && since < time.Hour {
				time.Sleep(70 * time.Second) // the background work stands still
			}
			return nil
		}}
		stop := running(t, m)
		defer stop()
		v, elsewhere := &visitor{t: t, m: m}, &visitor{t: t, m: passive(m)}
		v.signIn(session.SignIn{User: "1"})
		elsewhere.cookie = v.cookie
		time.Sleep(time.Hour - 12*time.Second)
		if !v.alive() { // the use waits for a batch
			t.Fatal("over 12 seconds early")
		}
		time.Sleep(12 * time.Second)
		if elsewhere.alive() {
			t.Fatal("the use was written, and so the test tests nothing")
		}
		for range 20 {
			time.Sleep(time.Second)
			if elsewhere.alive() {
				t.Fatal("an expired session came back")
			}
		}
	})
}

func TestASlowWriteRevivesNothing(t *testing.T) {
	for _, run := range []bool{false, true} {
		for late := range 14 {
			synctest.Test(t, func(t *testing.T) {
				m := newManager()
				m.Idle = time.Hour
				m.Store = &slowTouch{Store: m.Store, delay: 4900 * time.Millisecond}
				if run {
					stop := running(t, m)
					defer stop()
				}
				v, elsewhere := &visitor{t: t, m: m}, &visitor{t: t, m: passive(m)}
				v.signIn(session.SignIn{User: "1"})
				elsewhere.cookie = v.cookie
				time.Sleep(time.Hour - time.Duration(late)*time.Second + 100*time.Millisecond)
				done := make(chan bool)
				go func() { done <- v.alive() }()
				over := false
				for range 40 {
					alive := elsewhere.alive()
					if over && alive {
						t.Fatalf("used %d s before the end, run %v: an expired session came back", late, run)
					}
					over = over || !alive
					time.Sleep(500 * time.Millisecond)
				}
				<-done
			})
		}
	}
}

// slowTouch writes uses only after a while, unless the caller gives up before.
type slowTouch struct {
	session.Store
	delay time.Duration
}

func (s *slowTouch) Touch(ctx context.Context, uses []session.LastUse) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.delay):
		return s.Store.Touch(ctx, uses)
	}
}

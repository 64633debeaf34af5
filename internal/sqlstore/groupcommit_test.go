package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// slowWrites records the batches that are written, each of which takes 10 ms.
type slowWrites struct {
	mu      sync.Mutex
	batches [][]byte // the first bytes of their IDs
	fail    error
	stuck   bool
}

func (w *slowWrites) write(ctx context.Context, ids [][]byte) (all bool, err error) {
	w.mu.Lock()
	var firsts []byte
	for _, id := range ids {
		firsts = append(firsts, id[0])
	}
	w.batches = append(w.batches, firsts)
	pause, fail := 10*time.Millisecond, w.fail
	if w.stuck {
		pause = time.Hour
	}
	w.mu.Unlock()
	select {
	case <-time.After(pause):
		return fail == nil, fail
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// TestEndsShareAWrite: what arrives while the writers are busy is written together, each once, and answered after that.
func TestEndsShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWrites{}
		g := newGroupCommit(w.write)
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				if all, err := g.end(t.Context(), session.ID{byte(i)}); err != nil || !all {
					t.Error(all, err)
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if !slices.Contains(slices.Concat(w.batches...), byte(i)) {
					t.Errorf("end %d was answered before it was written", i)
				}
			})
			if i < concurrentBatches {
				synctest.Wait() // these find a writer that is free
			}
		}
		group.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.batches) != concurrentBatches+1 {
			t.Errorf("%d batches: %v", len(w.batches), w.batches)
		}
		all := slices.Concat(w.batches...)
		slices.Sort(all)
		if len(all) != 40 || len(slices.Compact(all)) != 40 {
			t.Errorf("%d ends were written for 40", len(all))
		}
	})
}

func TestABatchThatFailedIsAnErrorForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		w := &slowWrites{fail: broken}
		g := newGroupCommit(w.write)
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				if _, err := g.end(t.Context(), session.ID{byte(i)}); !errors.Is(err, broken) {
					t.Errorf("end %d: %v", i, err)
				}
			})
		}
		group.Wait()
	})
}

// busy occupies all writers with ends that don't return before the writes go on.
func busy(t *testing.T, g *groupCommit, group *sync.WaitGroup) {
	for i := range concurrentBatches {
		group.Go(func() {
			if _, err := g.end(t.Context(), session.ID{byte(200 + i)}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
	}
}

// TestAnEndThatIsGivenUpIsNotWritten: its fence may end before the write begins, and it isn't answered with success.
func TestAnEndThatIsGivenUpIsNotWritten(t *testing.T) {
	t.Attr("threat", "X01")
	synctest.Test(t, func(t *testing.T) {
		w := &slowWrites{}
		g := newGroupCommit(w.write)
		var group sync.WaitGroup
		busy(t, g, &group)
		// It ends in the moment at which the writers are free again, so that both are ready for the one who waits.
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			group.Go(func() {
				_, err := g.end(ctx, session.ID{byte(i)})
				w.mu.Lock()
				defer w.mu.Unlock()
				if err == nil && !slices.Contains(slices.Concat(w.batches...), byte(i)) {
					t.Errorf("end %d was given up, and answered with success", i)
				}
			})
		}
		group.Wait()
		m := &member{ctx: ended(), id: session.ID{77}}
		b := &batch{members: []*member{m}, done: make(chan struct{})}
		g.run(b)
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !m.late || slices.Contains(slices.Concat(w.batches...), 77) {
			t.Errorf("an end that was given up is written: %v", w.batches)
		}
	})
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestABatchEndsAtItsFirstDeadline: no end is written after its own deadline, when its fence may be over. The others are
// written all the same.
func TestABatchEndsAtItsFirstDeadline(t *testing.T) {
	t.Attr("threat", "X01")
	synctest.Test(t, func(t *testing.T) {
		w := &slowWrites{}
		g := newGroupCommit(w.write)
		var group sync.WaitGroup
		busy(t, g, &group)
		began := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		group.Go(func() {
			if _, err := g.end(short, session.ID{1}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first: %v", err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if _, err := g.end(t.Context(), session.ID{2}); err != nil {
				t.Errorf("the second: %v", err)
			}
		})
		synctest.Wait()
		w.mu.Lock()
		w.stuck = true
		w.mu.Unlock()
		time.Sleep(500 * time.Millisecond)
		w.mu.Lock()
		if last := w.batches[len(w.batches)-1]; len(last) != 2 {
			t.Errorf("they don't share a batch: %v", w.batches)
		}
		w.stuck = false
		w.mu.Unlock()
		group.Wait()
		if took := time.Since(began); took != time.Second+10*time.Millisecond {
			t.Errorf("the second end took %v", took)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if !slices.Contains(slices.Concat(w.batches[concurrentBatches+1:]...), 2) {
			t.Errorf("the second end isn't written anew: %v", w.batches)
		}
	})
}

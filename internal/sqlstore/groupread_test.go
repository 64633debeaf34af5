package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

// idRow is a row that has only the ID of a session.
type idRow struct{ id session.ID }

func (r idRow) Len() int                  { return 1 }
func (r idRow) Null(int) bool             { return false }
func (r idRow) Int64(int) (int64, error)  { return 0, errors.New("not a number") }
func (r idRow) Text(int) (string, error)  { return string(r.id[:]), nil }
func (r idRow) Bytes(int) ([]byte, error) { return r.id[:], nil }

// slowReads is a table of sessions: those whose first byte is below 100. A statement takes some time, and returns rows as of its beginning, in
// reverse order.
type slowReads struct {
	mu      sync.Mutex
	takes   time.Duration
	fail    error
	batches [][]byte // the first bytes of their IDs
	begun   []time.Time
	cut     int // statements whose context ended
}

func (s *slowReads) rows(ctx context.Context, ids [][]byte, scan func(Columns) error) error {
	s.mu.Lock()
	var firsts []byte
	for _, id := range ids {
		firsts = append(firsts, id[0])
	}
	s.batches, s.begun = append(s.batches, firsts), append(s.begun, time.Now())
	takes, fail := s.takes, s.fail
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cut++
		return ctx.Err()
	}
	if fail != nil {
		return fail
	}
	slices.Sort(firsts)
	firsts = slices.Compact(firsts)
	slices.Reverse(firsts)
	for _, first := range firsts {
		if first >= 100 {
			continue
		}
		if err := scan(idRow{session.ID{first}}); err != nil {
			return err
		}
	}
	return nil
}

// reads reads a session, and ends the test with an error unless the row is that of the session.
func reads(t *testing.T, ctx context.Context, g *groupRead, first byte) error {
	var got Columns
	err := g.read(ctx, session.ID{first}, func(c Columns) error {
		got = c
		return nil
	})
	if err == nil && got.(idRow).id != (session.ID{first}) {
		t.Errorf("read %v for %d", got, first)
	}
	return err
}

// TestReadsShareAStatement: what arrives while two statements are run is read by one, and each gets its own row or none. Two may want the same.
func TestReadsShareAStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowReads{takes: time.Millisecond}
		g := newGroupRead(s.rows)
		var group sync.WaitGroup
		for i := range 40 {
			first := byte(i)
			switch {
			case i%10 == 9:
				first = 100
			case i%10 == 8:
				first = 7
			}
			group.Go(func() {
				if err := reads(t, t.Context(), g, first); errors.Is(err, sql.ErrNoRows) != (first == 100) || err != nil && first != 100 {
					t.Errorf("%d: %v", first, err)
				}
			})
			if i < concurrentReads {
				synctest.Wait() // these are read at once
			}
		}
		group.Wait()
		if len(s.batches) != concurrentReads+1 || len(s.batches[concurrentReads]) != 40-concurrentReads {
			t.Errorf("%d batches: %v", len(s.batches), s.batches)
		}
	})
}

// TestAReadIsNotAnsweredByAnEarlierStatement: what was written before a call must be seen by it, so it never joins a batch whose statement
// has been sent.
func TestAReadIsNotAnsweredByAnEarlierStatement(t *testing.T) {
	t.Attr("threat", "X01")
	synctest.Test(t, func(t *testing.T) {
		s := &slowReads{takes: time.Millisecond}
		g := newGroupRead(s.rows)
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 37 * time.Microsecond)
				began, first := time.Now(), byte(i%100)
				if err := reads(t, t.Context(), g, first); err != nil {
					t.Error(err)
				}
				ended := time.Now()
				s.mu.Lock()
				defer s.mu.Unlock()
				for n, batch := range s.batches {
					if slices.Contains(batch, first) && !s.begun[n].Before(began) && s.begun[n].Add(s.takes).Compare(ended) <= 0 {
						return
					}
				}
				t.Errorf("%d was answered by a statement from before its call", i)
			})
		}
		group.Wait()
	})
}

// TestASlowStatementHoldsUpNoOther: a connection that is stuck delays the next reads by two milliseconds.
func TestASlowStatementHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowReads{takes: time.Hour}
		g := newGroupRead(s.rows)
		stuck, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range concurrentReads {
			group.Go(func() {
				if err := reads(t, stuck, g, byte(i)); !errors.Is(err, context.Canceled) {
					t.Errorf("a read that was given up: %v", err)
				}
			})
			synctest.Wait()
		}
		s.mu.Lock()
		s.takes = time.Millisecond
		s.mu.Unlock()
		began := time.Now()
		if err := reads(t, t.Context(), g, 50); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != readPatience+time.Millisecond {
			t.Errorf("it took %v", took)
		}
		cancel()
		group.Wait()
		synctest.Wait()
		if s.cut != concurrentReads {
			t.Errorf("%d of %d statements end with their last reader", s.cut, concurrentReads)
		}
	})
}

// TestAReadEndsWithItsContext, and the others of its batch don't. A statement ends after five seconds.
func TestAReadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowReads{takes: time.Hour}
		g := newGroupRead(s.rows)
		for range concurrentReads {
			g.reading <- struct{}{} // so that they gather
		}
		began := time.Now()
		var group sync.WaitGroup
		for i := range 3 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				want := time.Second
				if i == 2 {
					ctx, want = t.Context(), readLimit
				}
				if err := reads(t, ctx, g, byte(i)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != want {
					t.Errorf("read %d ends after %v: %v", i, time.Since(began), err)
				}
			})
		}
		synctest.Wait()
		for range concurrentReads {
			<-g.reading
		}
		group.Wait()
		synctest.Wait()
		if len(s.batches) != 1 || s.cut != 1 {
			t.Errorf("batches %v, %d of them ended before their time", s.batches, s.cut)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := reads(t, ctx, g, 4); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		if len(s.batches) != 1 {
			t.Errorf("what had ended before is read: %v", s.batches)
		}
	})
}

// TestAFailedStatementIsAnErrorForAll of its readers, and what fails for one row is the error of its readers.
func TestAFailedStatementIsAnErrorForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		s := &slowReads{takes: time.Millisecond, fail: broken}
		g := newGroupRead(s.rows)
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				if err := reads(t, t.Context(), g, byte(i)); !errors.Is(err, broken) {
					t.Errorf("read %d: %v", i, err)
				}
			})
		}
		group.Wait()
		s.fail = nil
		for i := range 10 {
			group.Go(func() {
				err := g.read(t.Context(), session.ID{byte(i)}, func(Columns) error {
					if i == 3 {
						return broken
					}
					return nil
				})
				if errors.Is(err, broken) != (i == 3) {
					t.Errorf("read %d: %v", i, err)
				}
			})
		}
		group.Wait()
	})
}

// TestALargeCrowdIsReadInSeveralBatches, so that the first answers don't wait for all.
func TestALargeCrowdIsReadInSeveralBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowReads{takes: time.Millisecond}
		g := newGroupRead(s.rows)
		var group sync.WaitGroup
		for i := range 3 * maxRead {
			group.Go(func() {
				if err := reads(t, t.Context(), g, byte(i%100)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, batch := range s.batches {
			if len(batch) > maxRead {
				t.Errorf("a batch of %d", len(batch))
			}
		}
	})
}

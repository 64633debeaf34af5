package sqlstore

import (
	"context"
	"database/sql"
	"runtime"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	// concurrentReads is how many batches of reads are under way at the same time, unless they take long.
	concurrentReads = 2
	// readPatience is how long a batch waits for those before it. Then it is read beside them.
	readPatience = 2 * time.Millisecond
	// maxRead is how many reads share a batch.
	maxRead = 64
	// readLimit is how long a batch may take: as long as a check may wait for a store.
	readLimit = 5 * time.Second
)

// groupRead gathers reads of single sessions: while batches are being read, the next reads share a batch, and so a statement and a round trip.
// Each is read after its call has begun.
type groupRead struct {
	rows    func(ctx context.Context, ids [][]byte, scan func(Columns) error) error // the first column of a row is the ID
	reading chan struct{}                                                           // held while a batch is being read

	mu        sync.Mutex
	gathering *readBatch // the next batch, if a read waits for it
}

// readBatch is the reads that share a statement. The mutex of groupRead guards readers and left.
type readBatch struct {
	readers []*reader
	left    int                // readers that don't wait any more
	cancel  context.CancelFunc // nil before the statement is run
	done    chan struct{}      // closed when it was read
	err     error              // of the statement
}

// reader is one read in a batch.
type reader struct {
	id    session.ID
	scan  func(Columns) error
	found bool
	err   error // of scan
}

func newGroupRead(rows func(context.Context, [][]byte, func(Columns) error) error) *groupRead {
	return &groupRead{rows: rows, reading: make(chan struct{}, concurrentReads)}
}

// read calls scan with the row of a session, or returns sql.ErrNoRows. If it returns another error, scan may be running.
func (g *groupRead) read(ctx context.Context, id session.ID, scan func(Columns) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &reader{id: id, scan: scan}
	b := g.join(r)
	select {
	case <-b.done:
	case <-ctx.Done():
		g.leave(b)
		return ctx.Err()
	}
	switch {
	case b.err != nil:
		return b.err
	case !r.found:
		return sql.ErrNoRows
	}
	return r.err
}

// join adds a read to the next batch. The first to do so has it read.
func (g *groupRead) join(r *reader) *readBatch {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.gathering
	if b == nil {
		b = &readBatch{done: make(chan struct{})}
		g.gathering = b
		go g.run(b)
	}
	b.readers = append(b.readers, r)
	if len(b.readers) == maxRead {
		g.gathering = nil
	}
	return b
}

// leave ends a batch for which no reader waits any more.
func (g *groupRead) leave(b *readBatch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b.left++
	if b.left == len(b.readers) && b.cancel != nil {
		b.cancel()
	}
}

// run reads a batch once it may.
func (g *groupRead) run(b *readBatch) {
	if g.wait() {
		defer func() { <-g.reading }()
	}
	runtime.Gosched() // calls that are about to begin join
	defer close(b.done)
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	if g.depart(b, cancel) {
		b.err = g.rows(ctx, b.ids(), b.scan)
	}
}

// wait waits for a place among the batches that are being read, and reports whether it has taken one.
func (g *groupRead) wait() (taken bool) {
	select {
	case g.reading <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(readPatience)
	defer patience.Stop()
	select {
	case g.reading <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// depart ends the gathering of a batch, and reports whether a reader waits for it.
func (g *groupRead) depart(b *readBatch, cancel context.CancelFunc) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gathering == b {
		g.gathering = nil
	}
	b.cancel = cancel
	return b.left < len(b.readers)
}

func (b *readBatch) ids() [][]byte {
	ids := make([][]byte, len(b.readers))
	for i, r := range b.readers {
		ids[i] = r.id[:]
	}
	return ids
}

// scan gives a row to those who read it.
func (b *readBatch) scan(c Columns) error {
	id, err := c.Text(0)
	if err != nil {
		return err
	}
	for _, r := range b.readers {
		if string(r.id[:]) == id {
			r.found, r.err = true, r.scan(c)
		}
	}
	return nil
}

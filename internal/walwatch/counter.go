// Package walwatch counts the commits to an SQLite database in WAL mode, those of other processes included, without a system
// call. It works on Linux only.
//
// SQLite keeps the state of its log in the first bytes of the file whose name ends in -shm. Every process that uses the
// database maps this file, and each COMMIT changes those bytes before it returns. Reading this memory therefore tells at once
// whether anything has been committed.
package walwatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// Counter counts the commits to one database: all of them, and those that didn't come from this Counter's own connection.
// The connection that writes must report its commits by [Counter.Begin], [Counter.BeforeCommit] and [Counter.End]. A Counter
// counts nothing until [Counter.Open] is called. It is safe for concurrent use.
type Counter struct {
	moved func() bool
	index atomic.Pointer[walIndex] // nil until Open
	last  atomic.Pointer[count]

	mu         sync.Mutex
	inCall     bool   // a call that may commit is in progress and will report its end
	pending    bool   // this call has begun to commit
	nextNumber uint32 // the number that this commit will have
	lost       bool   // the file or its index is no longer the one that other processes use
}

// count is a state of the log, and how many commits led to it.
type count struct {
	header      walHeader
	all, others uint64
}

// New returns a Counter. moved reports whether the database file was removed or replaced.
func New(moved func() bool) *Counter { return &Counter{moved: moved} }

// Open begins to count the commits to the database file at path, or returns an error where that isn't possible. It calls read, which
// reads from the database over a connection that stays open as long as commits are counted: the last connection that closes removes
// the -shm file, and the next one would make a new one. Calling Open again does nothing.
func (c *Counter) Open(path string, read func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index.Load() != nil {
		return nil
	}
	if err := read(); err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	index, err := mapIndex(path)
	if err != nil {
		return fmt.Errorf("count commits: %w", err)
	}
	c.last.Store(&count{header: index.read()})
	c.index.Store(index)
	return nil
}

// Seen returns the number of commits, and how many of them others made. ok is false while a commit of its own is in progress,
// and after the file was removed or replaced. A commit that has returned, in whatever process, is counted. Call Open first.
func (c *Counter) Seen() (all, others uint64, ok bool) {
	last := c.last.Load()
	if c.index.Load().holds(&last.header) {
		return last.all, last.others, true
	}
	return c.recount()
}

func (c *Counter) recount() (all, others uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending || c.lost {
		return 0, 0, false
	}
	last := c.update(false)
	return last.all, last.others, true
}

// update counts a commit if the log has changed. The caller holds mu.
func (c *Counter) update(own bool) *count {
	last := c.last.Load()
	header := c.index.Load().read()
	if header == last.header {
		return last
	}
	next := &count{header, last.all + 1, last.others + 1}
	if own {
		next.others = last.others
	}
	c.last.Store(next)
	return next
}

// Begin reports that a call which may commit begins. Calls don't overlap: there is one connection that writes.
func (c *Counter) Begin() {
	if c.index.Load() == nil {
		return
	}
	c.mu.Lock()
	c.inCall = true
	c.mu.Unlock()
}

// BeforeCommit is SQLite's commit hook. It is called while the transaction holds the write lock, so no other process can
// commit before it ends.
func (c *Counter) BeforeCommit() {
	if c.index.Load() == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return
	}
	last := c.update(false)
	if c.inCall {
		c.pending, c.nextNumber = true, last.header.number()+1
	}
}

// End reports how the call ended. The commit was its own, and the only one, if it succeeded and the log's number is the
// next one.
func (c *Counter) End(err error) {
	index := c.index.Load()
	if index == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending {
		header := index.read()
		c.update(err == nil && header.number() == c.nextNumber)
	}
	c.inCall, c.pending = false, false
}

// Run checks once a second, until ctx ends, whether the file and its index are still those that other processes use. After
// one was removed or replaced, Seen returns false for good. Call Open first.
func (c *Counter) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if errors.Is(c.index.Load().check(), fs.ErrNotExist) || c.moved() {
			c.lose()
			<-ctx.Done()
			return nil
		}
	}
}

// lose makes Seen return false for good, by comparing with a header that SQLite never writes.
func (c *Counter) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := *c.last.Load()
	for i := range last.header {
		last.header[i] = ^uint64(0)
	}
	c.last.Store(&last)
	c.lost = true
}

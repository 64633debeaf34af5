package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"
)

// Commits counts the commits to the file: its own, and those of everybody else, other processes above all. It is safe for
// concurrent use.
//
// SQLite keeps the state of its log in the first bytes of the file ending in -shm, which every process that uses the
// database maps, and each COMMIT changes them before it returns. So a look at this memory tells at once whether anybody has
// committed anything, without a message and without a system call.
type Commits struct {
	file  place
	index atomic.Pointer[walIndex] // nil: not opened
	known atomic.Pointer[counted]

	mu      sync.Mutex
	bracket bool   // a call is under way that reports its end
	pending bool   // in it, a commit has begun
	next    uint32 // the number that this commit will have
	lost    bool   // the file isn't the one that others use any more
	keep    func() error
}

// counted is a state of the log, and how many commits led to it.
type counted struct {
	header      walHeader
	all, others uint64
}

// Commits returns what counts the commits to the file, or an error where that isn't possible: on other systems than Linux.
// What was read from the file is then true for the moment only.
func (db *DB) Commits(ctx context.Context) (*Commits, error) {
	c := db.commits
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index.Load() != nil {
		return c, nil
	}
	// Whoever closes the last connection removes the -shm, and a new one would be made by who comes next: so one connection
	// stays open for as long as somebody looks.
	keep := pool(db.place.real, reading)
	var tables int
	err := keep.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keep the database open: %w", err), keep.Close())
	}
	index, err := mapIndex(db.place.real)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("count commits: %w", err), keep.Close())
	}
	c.keep = keep.Close
	c.known.Store(&counted{header: index.read()})
	c.index.Store(index)
	return c, nil
}

// Seen returns how many commits there have been, and how many of them by others; false while it isn't known, because one of
// its own is under way. A commit that has returned, in whatever process, is counted.
func (c *Commits) Seen() (all, others uint64, ok bool) {
	known := c.known.Load()
	if c.index.Load().holds(&known.header) {
		return known.all, known.others, true
	}
	return c.look()
}

// look finds out who has committed.
func (c *Commits) look() (all, others uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending || c.lost {
		return 0, 0, false
	}
	known := c.counted(false)
	return known.all, known.others, true
}

// counted takes note of the present state. The caller has locked.
func (c *Commits) counted(own bool) *counted {
	known := c.known.Load()
	header := c.index.Load().read()
	if header == known.header {
		return known
	}
	next := &counted{header, known.all + 1, known.others + 1}
	if own {
		next.others = known.others
	}
	c.known.Store(next)
	return next
}

// begin opens the bracket around a call that may commit.
func (c *Commits) begin() {
	if c.index.Load() == nil {
		return
	}
	c.mu.Lock()
	c.bracket = true
	c.mu.Unlock()
}

// commits is called by SQLite within a transaction that is about to commit: nobody else can commit before it is over.
func (c *Commits) commits() {
	index := c.index.Load()
	if index == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return
	}
	known := c.counted(false)
	if c.bracket {
		c.pending, c.next = true, known.header.number()+1
	}
}

// end closes the bracket. If the commit took place and no other came after it, the number is the next one.
func (c *Commits) end(err error) {
	index := c.index.Load()
	if index == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending {
		header := index.read()
		c.counted(err == nil && header.number() == c.next)
	}
	c.bracket, c.pending = false, false
}

// Run looks now and then whether the file and its index are still those that others use, until ctx ends. If somebody has
// removed or replaced one, nothing is known from then on.
func (c *Commits) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if c.gone() {
			c.lose()
			<-ctx.Done()
			return nil
		}
	}
}

func (c *Commits) gone() bool {
	return errors.Is(c.index.Load().check(), fs.ErrNotExist) || errors.Is(c.file.look(), errMoved)
}

// lose makes every look fail: a header of all ones is none that SQLite writes.
func (c *Commits) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.known.Load()
	for i := range known.header {
		known.header[i] = ^uint64(0)
	}
	c.known.Store(&known)
	c.lost = true
}

func (c *Commits) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keep == nil {
		return nil
	}
	return c.keep()
}

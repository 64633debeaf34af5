package sqlstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
)

const (
	// concurrentBatches is how many batches of ends are written at the same time.
	concurrentBatches = 2
	// maxBatch is how many ends share a batch.
	maxBatch = 500
)

// groupCommit gathers the ends of single sessions: while batches are being written, the next ends share a batch, and so a
// statement and a commit. Its zero value is not ready: see newGroupCommit.
type groupCommit struct {
	write   func(ctx context.Context, ids [][]byte) (all bool, err error) // all: it has ended as many sessions as there are IDs
	writing chan struct{}                                                 // held while a batch is being written

	mu        sync.Mutex
	gathering *batch // the next batch, if an end waits for it
}

// batch is the ends that share a write. The mutex of groupCommit guards the members.
type batch struct {
	members []*member
	done    chan struct{} // closed when it was written, or wasn't, with err
	all     bool          // each of its sessions was there
	err     error
	cut     bool // it was given up at the deadline of one of its members
}

// member is an end in a batch. late says that its context had ended before the batch was written, without it.
type member struct {
	ctx  context.Context
	id   session.ID
	late bool
}

func newGroupCommit(write func(ctx context.Context, ids [][]byte) (all bool, err error)) *groupCommit {
	return &groupCommit{write: write, writing: make(chan struct{}, concurrentBatches)}
}

// end ends a session. If ctx ends before, it is unknown whether the session has ended. removed reports whether there was one, and is
// false if one of those was missing that share its batch.
func (g *groupCommit) end(ctx context.Context, id session.ID) (removed bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		m := &member{ctx: ctx, id: id}
		b := g.join(m)
		if b == nil {
			return g.alone(ctx, id)
		}
		select {
		case <-b.done:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		switch {
		case m.late:
			return false, ctx.Err()
		case !b.cut || ctx.Err() != nil:
			return b.all, b.err
		}
	}
}

// alone writes an end for which there is a place among those that are being written. Its caller holds the place.
func (g *groupCommit) alone(ctx context.Context, id session.ID) (removed bool, err error) {
	defer func() { <-g.writing }()
	return g.write(ctx, [][]byte{id[:]})
}

// join adds an end to the next batch. The first to do so has it written. It returns nil if the end needn't wait for others, and then holds a
// place among those that are being written.
func (g *groupCommit) join(m *member) *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.gathering
	if b == nil {
		select {
		case g.writing <- struct{}{}:
			return nil
		default:
		}
	}
	if b == nil || len(b.members) == maxBatch {
		b = &batch{done: make(chan struct{})}
		g.gathering = b
		go g.run(b)
	}
	b.members = append(b.members, m)
	return b
}

// run writes a batch once it may. It gives up at the first deadline of its members: the fence of each ends shortly after its own.
// The others try again.
func (g *groupCommit) run(b *batch) {
	g.writing <- struct{}{}
	defer func() { <-g.writing }()
	g.mu.Lock()
	if g.gathering == b {
		g.gathering = nil
	}
	g.mu.Unlock()
	defer close(b.done)
	var ids [][]byte
	var first time.Time // the earliest deadline
	ctx := context.Background()
	for _, m := range b.members {
		if m.late = m.ctx.Err() != nil; m.late {
			continue
		}
		ids = append(ids, m.id[:])
		if at, ok := m.ctx.Deadline(); ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
		ctx = m.ctx
	}
	switch {
	case len(ids) == 0:
		return // all of them have left
	case len(ids) > 1:
		ctx = context.WithoutCancel(ctx)
		if !first.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, first)
			defer cancel()
		}
	}
	b.all, b.err = g.write(ctx, ids)
	b.cut = b.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
}

package sqlite

import (
	"context"
)

// readLimit limits concurrent reads to the pool size.
//
// Watching a context while a statement runs costs several times as much as reading one row, and reading one row is over
// before its context could end it. So waiting for a connection, which may take long when the disk is slow, happens here and
// ends with the context; the read itself runs without the context's end.
type readLimit struct {
	file  dbFile
	slots chan struct{}
	free  func()
}

func newReadLimit(file dbFile, slots int) readLimit {
	l := readLimit{file: file, slots: make(chan struct{}, slots)}
	l.free = func() { <-l.slots }
	return l
}

// acquire waits for a slot. It returns the context for reading one row, and what frees the slot.
func (l readLimit) acquire(ctx context.Context) (rowCtx context.Context, release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := l.file.verify(); err != nil {
		return nil, nil, err
	}
	rowCtx = context.WithoutCancel(ctx)
	select {
	case l.slots <- struct{}{}:
		return rowCtx, l.free, nil
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return rowCtx, l.free, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

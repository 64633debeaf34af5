package sqlite

import "context"

// readLimit limits concurrent reads to the pool size, and checks that the file is in its place. Waiting for a connection, which may
// take long when the disk is slow, happens here and ends with the context.
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

// acquire waits for a slot, and returns what frees it.
func (l readLimit) acquire(ctx context.Context) (release func(), err error) {
	if err := l.verify(ctx); err != nil {
		return nil, err
	}
	return l.wait(ctx)
}

// verify returns an error if ctx has ended, or the file isn't in its place.
func (l readLimit) verify(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.file.verify()
}

// wait is acquire after verify.
func (l readLimit) wait(ctx context.Context) (release func(), err error) {
	select {
	case l.slots <- struct{}{}:
		return l.free, nil
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return l.free, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

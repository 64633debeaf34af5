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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.file.verify(); err != nil {
		return nil, err
	}
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

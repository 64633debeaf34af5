package feed

import (
	"context"
	"errors"
	"sync"
)

// maxBacklog is how many messages may wait for a listener before it goes down.
const maxBacklog = 4096

var errOverrun = errors.New("feed: the listener is too slow")

// Local is a [Feed] within one process. Messages are in the order in which Send takes the mutex. A listener that falls
// thousands of messages behind goes down, and comes up again.
type Local struct {
	mu     sync.Mutex
	queues map[chan string]struct{} // one for each listener
}

// NewLocal returns a Local without listeners.
func NewLocal() *Local { return &Local{queues: map[chan string]struct{}{}} }

// Send implements [Feed].
func (f *Local) Send(ctx context.Context, message string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := Check(message); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for queue := range f.queues {
		select {
		case queue <- message:
		default:
			f.drop(queue)
		}
	}
	return nil
}

// Listen implements [Feed].
func (f *Local) Listen(ctx context.Context, l Listener) error {
	for ctx.Err() == nil {
		f.listen(ctx, l)
	}
	return nil
}

// listen delivers messages until the listener goes down.
func (f *Local) listen(ctx context.Context, l Listener) {
	queue := make(chan string, maxBacklog)
	f.mu.Lock()
	f.queues[queue] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(queue)
	}()
	l.Up()
	for {
		select {
		case <-ctx.Done():
			l.Down(ctx.Err())
			return
		case message, ok := <-queue:
			if !ok {
				l.Down(errOverrun)
				return
			}
			l.Message(message)
		}
	}
}

// drop closes a queue after the messages that it holds. The caller holds mu.
func (f *Local) drop(queue chan string) {
	if _, ok := f.queues[queue]; ok {
		delete(f.queues, queue)
		close(queue)
	}
}

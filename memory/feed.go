package memory

import (
	"context"
	"errors"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// maxBacklog is how many messages wait for a listener before it goes down.
const maxBacklog = 4096

var errOverrun = errors.New("feed: the listener is too slow")

// broadcast is a feed between the goroutines of this process: the order is that in which Send takes the mutex.
type broadcast struct {
	mu        sync.Mutex
	listeners map[chan string]struct{}
}

func newBroadcast() *broadcast {
	return &broadcast{listeners: map[chan string]struct{}{}}
}

func (b *broadcast) Send(ctx context.Context, message string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := feed.Check(message); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for queue := range b.listeners {
		select {
		case queue <- message:
		default:
			b.dismiss(queue)
		}
	}
	return nil
}

func (b *broadcast) Listen(ctx context.Context, l feed.Listener) error {
	for ctx.Err() == nil {
		b.hear(ctx, l)
	}
	return nil
}

// hear is one time of being up.
func (b *broadcast) hear(ctx context.Context, l feed.Listener) {
	queue := make(chan string, maxBacklog)
	b.mu.Lock()
	b.listeners[queue] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.dismiss(queue)
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

// dismiss ends a queue after what it holds already. A second time does nothing.
func (b *broadcast) dismiss(queue chan string) {
	if _, ok := b.listeners[queue]; ok {
		delete(b.listeners, queue)
		close(queue)
	}
}

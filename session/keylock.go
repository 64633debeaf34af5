package session

import (
	"context"
	"sync"
)

// keyLock lets what is done for one user happen one after the other. The zero value is ready.
type keyLock struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // closed when the turn is over
}

// lock waits for the user's turn, and returns what ends it.
func (t *keyLock) lock(ctx context.Context, user string) (end func(), err error) {
	for {
		done, waiting := t.begin(user)
		if waiting == nil {
			return func() { t.end(user, done) }, nil
		}
		select {
		case <-waiting:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// begin begins a turn, or returns the one to wait for.
func (t *keyLock) begin(user string) (done, waiting chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if waiting, ok := t.busy[user]; ok {
		return nil, waiting
	}
	if t.busy == nil {
		t.busy = map[string]chan struct{}{}
	}
	done = make(chan struct{})
	t.busy[user] = done
	return done, nil
}

func (t *keyLock) end(user string, done chan struct{}) {
	t.mu.Lock()
	delete(t.busy, user)
	t.mu.Unlock()
	close(done)
}

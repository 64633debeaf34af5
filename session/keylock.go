package session

import (
	"context"
	"sync"
)

// keyLock is a mutex per user. The zero value is ready.
type keyLock struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // closed by unlock
}

// lock locks the user's mutex, and returns the function that unlocks it.
func (t *keyLock) lock(ctx context.Context, user string) (unlock func(), err error) {
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

// begin takes the mutex if it is free. Otherwise it returns the channel that is closed when the mutex is free again.
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

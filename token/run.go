package token

import (
	"context"
	"log/slog"
	"time"
)

const (
	// touchEvery is how exactly the last use is known.
	touchEvery = time.Minute
	// flushEvery is how long a use may wait for its batch.
	flushEvery = 5 * time.Second
	// storeTimeout bounds a call that no request waits for.
	storeTimeout = 5 * time.Second

	purgeEvery = time.Minute
	purgeBatch = 200
	purgePause = 20 * time.Millisecond
)

// Run writes the noted uses in batches and removes expired tokens from the store, until ctx ends; then it writes what is
// left and returns nil. Run it once per Service. Without it each use is written at once, and nothing is removed.
func (s *Service) Run(ctx context.Context) error {
	s.batch(true)
	flush, purge := time.NewTicker(flushEvery), time.NewTimer(0)
	defer flush.Stop()
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			s.batch(false)
			s.flush(context.WithoutCancel(ctx))
			return nil
		case <-flush.C:
			s.flush(ctx)
		case <-purge.C:
			purge.Reset(s.purge(ctx))
		}
	}
}

// batch says whether uses wait for a batch from now on.
func (s *Service) batch(running bool) {
	s.mu.Lock()
	s.running = running
	s.mu.Unlock()
}

// wait puts a use into the next batch, if there is one.
func (s *Service) wait(id ID, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		return false
	}
	if s.pending == nil {
		s.pending = make(map[ID]int64)
	}
	s.pending[id] = now
	return true
}

func (s *Service) flush(ctx context.Context) {
	s.mu.Lock()
	pending := s.pending
	s.pending = nil
	s.mu.Unlock()
	uses := make([]Used, 0, len(pending))
	for id, at := range pending {
		uses = append(uses, Used{ID: id, At: at})
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	s.write(ctx, uses)
}

// write records uses. A failure only makes tokens look a little less used, so it is logged and forgotten.
func (s *Service) write(ctx context.Context, uses []Used) {
	if len(uses) == 0 {
		return
	}
	if err := s.Store.Touch(ctx, uses); err != nil && s.Log != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "token touch failed", slog.Int("tokens", len(uses)), slog.Any("error", err))
	}
}

// purge removes a batch of expired tokens, and returns how long to wait before the next.
func (s *Service) purge(ctx context.Context) time.Duration {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	n, err := s.Store.DeleteExpired(bounded, time.Now().Unix(), purgeBatch)
	if err != nil && ctx.Err() == nil && s.Log != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "token purge failed", slog.Any("error", err))
	}
	if err != nil || n < purgeBatch {
		return purgeEvery
	}
	return purgePause
}

package token

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

// touchEvery is the accuracy of the last use.
const touchEvery = time.Minute

// Run writes recorded uses in batches and deletes expired tokens until ctx ends; then it writes the remaining uses and
// returns nil. Run it once per Service. Without it each use is written at once, and nothing is deleted.
func (s *Service) Run(ctx context.Context) error {
	_ = s.store() // fail now, rather than at the first purge
	s.batch(true)
	resilience.Background{Flush: s.flush, Purge: s.purge, Failed: s.purgeFailed}.Run(ctx)
	s.batch(false)
	s.flush(context.WithoutCancel(ctx))
	return nil
}

// batch sets whether uses wait for a batch from now on.
func (s *Service) batch(running bool) {
	s.mu.Lock()
	s.running = running
	s.mu.Unlock()
}

// wait adds a use to the next batch, and reports whether there is one.
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
	uses := make([]LastUse, 0, len(pending))
	for id, at := range pending {
		uses = append(uses, LastUse{ID: id, At: at})
	}
	ctx, cancel := context.WithTimeout(ctx, resilience.BackgroundTimeout)
	defer cancel()
	s.write(ctx, uses)
}

// write stores uses. If it fails, tokens only look a little less used, so it logs the error and gives up.
func (s *Service) write(ctx context.Context, uses []LastUse) {
	if len(uses) == 0 {
		return
	}
	if err := s.store().Touch(ctx, uses); err != nil && s.Log != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "token touch failed", slog.Int("tokens", len(uses)), slog.Any("error", err))
	}
}

func (s *Service) purge(ctx context.Context, limit int) (int, error) {
	return s.store().DeleteExpired(ctx, time.Now().Unix(), limit)
}

func (s *Service) purgeFailed(ctx context.Context, err error) {
	if s.Log != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "token purge failed", slog.Any("error", err))
	}
}

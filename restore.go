package cloakroom

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/afterrestore"
)

// Ended says how much [Server.AfterRestore] has ended.
type Ended struct {
	Accounts int // that got a new epoch, so that nothing from before is accepted; 0 beside Django
	Links    int // with which a password could be reset, or the first administrator be made
	Sessions int // in Redis, too; beside Django those that Django made, and anonymous ones
	Tokens   int // of every kind
}

// AfterRestore ends everything that a database that was restored from a backup can't know the end of: all sessions and tokens, and
// all links that count once. When it returns nil, no process that uses the database accepts any of it. Accounts, passwords, rights,
// keys and the audit log stay as the backup has them. It can be interrupted at any moment and called again, and other processes may
// go on serving.
//
// Beside Django, the epoch of an account is computed from its password, and stays: a session that a sign-in in progress makes
// meanwhile counts.
func (s *Server) AfterRestore(ctx context.Context) (Ended, error) {
	ended, err := afterrestore.End(ctx, s.storage.Set, afterrestore.Options{KeepEpochs: s.storage.django != nil})
	if err != nil {
		return Ended(ended), err
	}
	for _, cache := range s.cached.caches {
		if err := cache.DropEverything(ctx); err != nil {
			return Ended(ended), fmt.Errorf("make other processes forget what they have cached: %w", err)
		}
	}
	s.Audit.Record(ctx, audit.Sys.Restored, slog.Int("accounts", ended.Accounts), slog.Int("links", ended.Links),
		slog.Int("sessions", ended.Sessions), slog.Int("tokens", ended.Tokens))
	return Ended(ended), nil
}

package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// RestoreEnded says how much [Server.AfterRestore] has ended.
type RestoreEnded struct {
	Accounts int // that got a new epoch, so that nothing from before is accepted; 0 beside Django
	Links    int // with which a password could be reset, or the first administrator be made
	Sessions int // in Redis, too; beside Django those that Django made, and anonymous ones
	Tokens   int // of every kind
	Signins  int // that waited for a second step
	Mail     int // messages that waited to be sent
}

// RestoreOptions says what [Server.AfterRestore] leaves in place.
type RestoreOptions struct {
	// KeepMail keeps the messages that wait to be sent. What was sent since the backup is then sent again, with links that don't work.
	KeepMail bool
}

// AfterRestore ends everything that a database that was restored from a backup can't know the end of: all sessions and tokens, and all
// links that count once. When it returns nil, no process that uses the database accepts any of it. Accounts, passwords, rights, keys and
// the audit log stay as the backup has them. Mail that waits isn't sent. It can be interrupted at any moment and called again, and other
// processes may go on serving.
//
// Beside Django, the epoch of an account is computed from its password, and stays: a session that a sign-in in progress makes
// meanwhile counts.
func (s *Server) AfterRestore(ctx context.Context, o RestoreOptions) (RestoreEnded, error) {
	ended, err := admin.EndRestored(ctx, s.storage.Set, admin.RestoredOptions{KeepEpochs: s.storage.django != nil, KeepMail: o.KeepMail})
	if err != nil {
		return RestoreEnded(ended), err
	}
	for _, cache := range s.cached.caches {
		if err := cache.DropEverything(ctx); err != nil {
			return RestoreEnded(ended), fmt.Errorf("make other processes forget what they have cached: %w", err)
		}
	}
	s.Audit.Record(ctx, audit.SysKinds.Restored, slog.Int("accounts", ended.Accounts), slog.Int("links", ended.Links),
		slog.Int("sessions", ended.Sessions), slog.Int("tokens", ended.Tokens), slog.Int("pending_sign_ins", ended.Signins),
		slog.Int("mail", ended.Mail))
	return RestoreEnded(ended), nil
}

// Restored says what [Config.Restore] has done.
type Restored struct {
	RestoreEnded
	Kept string // the path of the replaced database; "" if there was none
}

// Restore replaces an SQLite database by a backup, such as [Database.Backup] makes, which it leaves as it is. Before the copy of the
// backup takes the database's place, in one step, it is checked, brought up to date, and [Server.AfterRestore] is called for it, recorded
// in its audit log together with the attributes. So if Restore is interrupted at any moment, the database is either the replaced or the
// restored one, and it can be called again. The replaced one is kept beside it. It is an error if a process has the database open, or
// if the server secret doesn't open the backup.
func (c Config) Restore(ctx context.Context, backup string, o RestoreOptions, about ...slog.Attr) (r Restored, err error) {
	c.fill()
	engine, err := c.engine()
	if err != nil {
		return r, err
	}
	file, ok := engine.(sqliteFile)
	if !ok {
		return r, errNoFile
	}
	replacement, err := sqlite.PrepareRestore(ctx, string(file), backup)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, replacement.Close()) }()
	c.DB = "sqlite:" + replacement.Path
	s, err := New(ctx, c)
	if err != nil {
		return r, err
	}
	err = s.Audit.Act(ctx, about, func(ctx context.Context) (err error) {
		r.RestoreEnded, err = s.AfterRestore(ctx, o)
		return err
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return r, err
	}
	r.Kept, err = replacement.Put()
	return r, err
}

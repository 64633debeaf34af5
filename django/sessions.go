package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/session"
)

// Sessions returns Django's sessions as a store. Its session IDs are those of [SessionKeys]. Anonymous sessions are not found.
// Public IDs are not checked for uniqueness, since they are 128 random bits. List and DeleteUser read the signatures of all
// rows, and the rows whose signature has changed; calls of List that wait at the same time share one reading.
func (db *DB) Sessions() session.Store { return (*sessions)(db) }

type sessions DB

func (s *sessions) db() *DB { return (*DB)(s) }

// table is the quoted name of the table.
func (s *sessions) table() string { return quote(s.config.SessionTable) }

func (s *sessions) columns() string {
	return `session_key, session_data, ` + s.dialect.format(s.dialect.instant, "expire_date")
}

func (s *sessions) scan(scan func(...any) error) (row, error) {
	var r row
	var expires string
	if err := scan(&r.key, &r.data, &expires); err != nil {
		return row{}, err
	}
	var err error
	r.expires, err = s.db().seconds(expires)
	return r, err
}

func (s *sessions) Create(ctx context.Context, r *session.Record) error {
	made, written, err := s.form.write(r, nil)
	if err != nil {
		return err
	}
	if err := s.insert(ctx, s.write, made); err != nil {
		return s.db().explained(ctx, err)
	}
	r.Version = written.Version
	return nil
}

// insert adds a row. It never overwrites one.
func (s *sessions) insert(ctx context.Context, q querier, r row) error {
	n, err := affected(q.ExecContext(ctx, `INSERT INTO `+s.table()+` (session_key, session_data, expire_date)
		VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, r.key, r.data, s.db().stamp(r.expires)))
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if n == 0 {
		return session.ErrExists
	}
	return nil
}

func (s *sessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	for {
		found, err := s.found(id, s.checks.session.row(ctx, string(id[:])))
		if err != nil {
			return nil, fmt.Errorf("load session: %w", err)
		}
		fresh, err := s.renew(ctx, found)
		if err != nil {
			return nil, fmt.Errorf("load session: %w", err)
		}
		if fresh != nil {
			return fresh.Record, nil
		}
	}
}

func (s *sessions) find(ctx context.Context, q querier, id session.ID, lock string) (*stored, error) {
	return s.found(id, q.QueryRowContext(ctx, s.selectOne()+lock, string(id[:])))
}

// selectOne reads the session with the key $1.
func (s *sessions) selectOne() string {
	return `SELECT ` + s.columns() + ` FROM ` + s.table() + ` WHERE session_key = $1`
}

// found returns the session of a row, which must be the one that was asked for.
func (s *sessions) found(id session.ID, answer *sql.Row) (*stored, error) {
	r, err := s.scan(answer.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, session.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if r.key != string(id[:]) {
		return nil, session.ErrNotFound
	}
	return s.form.read(r)
}

// signedAt is the time of the row's signature.
func (s *stored) signedAt() int64 {
	if s.createdByDjango {
		return s.meta.Created
	}
	return s.Seen
}

func (s *sessions) Replace(ctx context.Context, old, new *session.Record) error {
	var written *session.Record
	err := s.db().transaction(ctx, func(t *sql.Tx) error {
		now, err := s.find(ctx, t, old.ID, s.dialect.lock)
		if err != nil {
			return err
		}
		if now.Version != old.Version {
			return session.ErrConflict
		}
		next := *new
		if new.ID == old.ID {
			next.Seen, next.Expires = max(new.Seen, now.Seen), max(new.Expires, now.Expires)
		}
		var r row
		if r, written, err = s.form.write(&next, now); err != nil {
			return err
		}
		if new.ID == old.ID {
			return s.update(ctx, t, r, now.data)
		}
		if err := s.insert(ctx, t, r); err != nil {
			return err
		}
		_, err = s.remove(ctx, t, old.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("replace session: %w", err)
	}
	new.Version = written.Version
	return nil
}

// update writes a row if it still has the data that was read.
func (s *sessions) update(ctx context.Context, q querier, r row, read string) error {
	n, err := affected(q.ExecContext(ctx, `UPDATE `+s.table()+` SET session_data = $1, expire_date = $2
		WHERE session_key = $3 AND session_data = $4`, r.data, s.db().stamp(r.expires), r.key, read))
	if err == nil && n == 0 {
		err = session.ErrConflict
	}
	return err
}

func (s *sessions) remove(ctx context.Context, q querier, id session.ID) (int, error) {
	return affected(q.ExecContext(ctx, `DELETE FROM `+s.table()+` WHERE session_key = $1`, string(id[:])))
}

func (s *sessions) Touch(ctx context.Context, uses []session.LastUse) error {
	if len(uses) == 0 {
		return ctx.Err()
	}
	// Sort, so that two batches can't deadlock.
	uses = slices.Clone(uses)
	slices.SortStableFunc(uses, func(a, b session.LastUse) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return s.db().transaction(ctx, func(t *sql.Tx) error {
		if err := s.silence(ctx, t); err != nil {
			return fmt.Errorf("touch sessions: %w", err)
		}
		for _, use := range uses {
			if err := s.touch(ctx, t, use); err != nil {
				return fmt.Errorf("touch session: %w", err)
			}
		}
		return nil
	})
}

// silence keeps the feed from telling of this transaction's writes to sessions.
func (s *sessions) silence(ctx context.Context, t *sql.Tx) error {
	if !s.dialect.postgres {
		return nil
	}
	_, err := t.ExecContext(ctx, `SET LOCAL cloakroom.touch = 'on'`)
	return err
}

func (s *sessions) touch(ctx context.Context, t *sql.Tx, use session.LastUse) error {
	found, err := s.find(ctx, t, use.ID, s.dialect.lock)
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if use.At <= found.Seen || found.Expires <= use.At {
		return nil
	}
	r := *found.Record
	r.Seen, r.Expires = use.At, use.Expires
	if found.meta.Age > 0 { // Django may have written the session since the use
		r.Expires = min(r.Expires, r.Seen+r.Idle, r.Deadline)
	}
	written, _, err := s.form.sign(found.dict, found.meta, &r)
	if err != nil {
		return err
	}
	return s.update(ctx, t, written, found.data)
}

func (s *sessions) Delete(ctx context.Context, id session.ID) error {
	_, err := s.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover. Who knows that the row was there needn't look for the session among all rows.
func (s *sessions) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	n, err := s.remove(ctx, s.write, id)
	if err := s.db().explained(ctx, err); err != nil {
		return false, fmt.Errorf("delete session: %w", err)
	}
	return n > 0, nil
}

// DeleteExpired also removes expired anonymous sessions, as manage.py clearsessions does.
func (s *sessions) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	// Times have whole seconds here, so what expires within the current second has expired.
	n, err := s.db().exec(ctx, `DELETE FROM `+s.table()+` WHERE expire_date < $1 AND session_key IN
		(SELECT session_key FROM `+s.table()+` WHERE expire_date < $1 ORDER BY expire_date LIMIT $2)`,
		s.db().stamp(now+1), max(limit, 0))
	if err != nil {
		return 0, fmt.Errorf("delete expired sessions: %w", err)
	}
	return n, nil
}

// CountLive returns how many sessions have not expired by now. It counts anonymous sessions, too.
func (s *sessions) CountLive(ctx context.Context, now int64) (n int, err error) {
	// Times have whole seconds here, so what expires within the current second has expired.
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM `+s.table()+` WHERE expire_date >= $1`, s.db().stamp(now+1)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return n, nil
}

package django

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/session"
)

// index knows the user of each row. Django's table has no column for it; it is in the signed data. A row whose signature
// hasn't changed is not read again, so refreshing the index reads only the keys and signatures.
type index struct {
	busy chan struct{} // a mutex whose lock can be cancelled
	rows map[string]indexed
}

type indexed struct {
	signature string
	user      string // "": anonymous
	public    string
	former    []string // hashes of former keys
	replaced  string   // the hash of the key of the session that this one replaced
}

func newIndex() *index { return &index{busy: make(chan struct{}, 1), rows: map[string]indexed{}} }

func (x *index) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case x.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *index) unlock() { <-x.busy }

// refresh brings the index up to date with the table as q sees it. The caller holds the lock.
func (x *index) refresh(ctx context.Context, s *sessions, q querier) error {
	type keyed struct{ key, signature string }
	now, err := queryAll(ctx, q, func(rows *sql.Rows) (r keyed, err error) {
		err = rows.Scan(&r.key, &r.signature)
		return r, err
	}, `SELECT session_key, `+s.dialect.format(s.dialect.signature, "session_data")+` FROM `+s.table())
	if err != nil {
		return err
	}
	next := make(map[string]indexed, len(now))
	var changed []string
	for _, r := range now {
		if known, ok := x.rows[r.key]; ok && known.signature == r.signature {
			next[r.key] = known
			continue
		}
		next[r.key] = indexed{signature: r.signature}
		changed = append(changed, r.key)
	}
	err = s.each(ctx, q, changed, func(r row, found *stored) {
		entry := indexed{signature: r.data[max(0, len(r.data)-43):]}
		if found != nil {
			entry.user, entry.public, entry.former, entry.replaced = found.User, found.PublicID, found.meta.Was, found.meta.Over
		}
		next[r.key] = entry
	})
	if err == nil {
		x.rows = next
	}
	return err
}

// each calls do with the row of each key that exists; found is nil for an anonymous session.
func (s *sessions) each(ctx context.Context, q querier, keys []string, do func(r row, found *stored)) error {
	query := `SELECT ` + s.columns() + ` FROM ` + s.table() + ` WHERE ` + s.dialect.format(s.dialect.anyOf, "session_key")
	for batch := range slices.Chunk(keys, 500) {
		list, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		rows, err := queryAll(ctx, q, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) }, query, string(list))
		if err != nil {
			return err
		}
		for _, r := range rows {
			found, err := s.form.read(r)
			if err != nil {
				found = nil
			}
			do(r, found)
		}
	}
	return nil
}

// keys returns the keys of the rows that match a query.
func (x *index) keys(q session.Query) []string {
	var keys []string
	for key, entry := range x.rows {
		if entry.user != "" && entry.matches(q, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (e indexed) matches(q session.Query, key string) bool {
	return (q.User == "" || e.user == q.User) && (q.PublicID == "" || e.public == q.PublicID) && (q.After == "" || e.public > q.After) &&
		(q.FormerID == session.ID{} || key == string(q.FormerID[:]) || slices.Contains(e.former, formerKey(q.FormerID)))
}

func (s *sessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	var records []*session.Record
	err := s.snapshot(ctx, func(t *sql.Tx) error {
		keys := s.index.keys(q)
		return s.each(ctx, t, keys, func(_ row, found *stored) {
			if found != nil {
				records = append(records, found.Record)
			}
		})
	})
	if err == nil {
		err = s.renewAll(ctx, records)
	}
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	slices.SortFunc(records, func(a, b *session.Record) int { return cmp.Compare(a.PublicID, b.PublicID) })
	if q.Limit > 0 && len(records) > q.Limit {
		records = records[:q.Limit]
	}
	return records, nil
}

// Superseded reports whether another session has replaced the one with this ID: by a rotation, or by a new sign-in in its
// browser.
func (db *DB) Superseded(ctx context.Context, id session.ID) (bool, error) {
	s, former, found := (*sessions)(db), formerKey(id), false
	err := s.snapshot(ctx, func(*sql.Tx) error {
		for _, entry := range s.index.rows {
			found = found || entry.user != "" && (entry.replaced == former || slices.Contains(entry.former, former))
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("find the successor of a session: %w", err)
	}
	return found, nil
}

// snapshot refreshes the index and calls do, both on the same state of the table.
func (s *sessions) snapshot(ctx context.Context, do func(t *sql.Tx) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if s.dialect.postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	t, err := s.read.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer t.Rollback()
	// Take the connection before the index's lock, as DeleteUser does; the other order could deadlock.
	if err := s.index.lock(ctx); err != nil {
		return err
	}
	defer s.index.unlock()
	if err := s.index.refresh(ctx, s, t); err != nil {
		return err
	}
	return do(t)
}

func (s *sessions) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	total := 0
	err := s.db().transaction(ctx, func(t *sql.Tx) (err error) {
		total, err = s.deleteUser(ctx, t, user, except)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete sessions of a user: %w", err)
	}
	return total, nil
}

// deleteUser deletes until it finds no session: a rotation may move a session to another key between the reading and the
// deletion.
func (s *sessions) deleteUser(ctx context.Context, t *sql.Tx, user string, except session.ID) (int, error) {
	if user == "" {
		return 0, errors.New("the user's ID is empty")
	}
	if err := s.index.lock(ctx); err != nil {
		return 0, err
	}
	defer s.index.unlock()
	for total := 0; ; {
		if err := s.index.refresh(ctx, s, t); err != nil {
			return 0, err
		}
		keys := slices.DeleteFunc(s.index.keys(session.Query{User: user}), func(key string) bool { return key == string(except[:]) })
		if len(keys) == 0 {
			return total, nil
		}
		slices.Sort(keys)
		for batch := range slices.Chunk(keys, 500) {
			list, err := json.Marshal(batch)
			if err != nil {
				return 0, err
			}
			n, err := affected(t.ExecContext(ctx, `DELETE FROM `+s.table()+` WHERE `+s.dialect.format(s.dialect.anyOf, "session_key"), string(list)))
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
}

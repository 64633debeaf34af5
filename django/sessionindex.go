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

// index knows whose session each row is. Django's table doesn't say: it is in the signed data. A row whose signature is as
// before is not read again, so that keeping the index true costs a look at keys and signatures.
type index struct {
	busy chan struct{} // one at a time
	rows map[string]indexed
}

type indexed struct {
	signature string
	user      string // "": nobody's
	public    string
	was       []string
	over      string
}

func newIndex() *index { return &index{busy: make(chan struct{}, 1), rows: map[string]indexed{}} }

func (x *index) enter(ctx context.Context) error {
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

func (x *index) leave() { <-x.busy }

// refresh makes the index true, as q sees the table. The caller has entered.
func (x *index) refresh(ctx context.Context, s *sessions, q querier) error {
	type signature struct{ key, tail string }
	now, err := all(ctx, q, func(rows *sql.Rows) (r signature, err error) {
		err = rows.Scan(&r.key, &r.tail)
		return r, err
	}, `SELECT session_key, `+s.dialect.of(s.dialect.tail, "session_data")+` FROM `+s.table())
	if err != nil {
		return err
	}
	next := make(map[string]indexed, len(now))
	var changed []string
	for _, r := range now {
		if known, ok := x.rows[r.key]; ok && known.signature == r.tail {
			next[r.key] = known
			continue
		}
		next[r.key] = indexed{signature: r.tail}
		changed = append(changed, r.key)
	}
	err = s.each(ctx, q, changed, func(r row, found *stored) {
		entry := indexed{signature: r.data[max(0, len(r.data)-43):]}
		if found != nil {
			entry.user, entry.public, entry.was, entry.over = found.User, found.PublicID, found.meta.Was, found.meta.Over
		}
		next[r.key] = entry
	})
	if err == nil {
		x.rows = next
	}
	return err
}

// each calls do with the rows of the keys that are there; with nil for what is nobody's session.
func (s *sessions) each(ctx context.Context, q querier, keys []string, do func(r row, found *stored)) error {
	query := `SELECT ` + s.columns() + ` FROM ` + s.table() + ` WHERE ` + s.dialect.of(s.dialect.anyOf, "session_key")
	for batch := range slices.Chunk(keys, 500) {
		list, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		rows, err := all(ctx, q, func(rows *sql.Rows) (row, error) { return s.scan(rows.Scan) }, query, string(list))
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

// keys returns the keys of the rows that a query is about.
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
		(q.FormerID == session.ID{} || key == string(q.FormerID[:]) || slices.Contains(e.was, formerKey(q.FormerID)))
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

// Succeeded reports whether another session has taken the place of the one with this ID: by a rotation, or because its browser
// has signed in anew.
func (db *DB) Succeeded(ctx context.Context, id session.ID) (bool, error) {
	s, was, found := (*sessions)(db), formerKey(id), false
	err := s.snapshot(ctx, func(*sql.Tx) error {
		for _, entry := range s.index.rows {
			found = found || entry.user != "" && (entry.over == was || slices.Contains(entry.was, was))
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("look for the successor of a session: %w", err)
	}
	return found, nil
}

// snapshot calls do with one state of the table, to which the index is true.
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
	// The connection first and then the index, here as in DeleteUser, or each could wait for the other's.
	if err := s.index.enter(ctx); err != nil {
		return err
	}
	defer s.index.leave()
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

// deleteUser deletes until it finds none: a rotation may carry a session to another key between the look and the deed.
func (s *sessions) deleteUser(ctx context.Context, t *sql.Tx, user string, except session.ID) (int, error) {
	if user == "" {
		return 0, errors.New("no user is named")
	}
	if err := s.index.enter(ctx); err != nil {
		return 0, err
	}
	defer s.index.leave()
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
			n, err := affected(t.ExecContext(ctx, `DELETE FROM `+s.table()+` WHERE `+s.dialect.of(s.dialect.anyOf, "session_key"), string(list)))
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
}

package django

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/cloakroom-auth/cloakroom/session"
)

// index knows the user of each row. Django's table has no column for it; it is in the signed data. A row whose signature
// hasn't changed is not read again, so refreshing the index reads only the keys and signatures.
type index struct {
	busy   chan struct{} // a mutex whose lock can be cancelled
	rows   map[string]indexed
	former map[string][]string // the keys of the rows that have this hash among their former keys, or as the one that was replaced

	mu      sync.Mutex // guards what follows, and waiting and settled of each reading
	next    *reading   // the one that callers may join, because it hasn't begun; nil: none has
	reading bool       // readAll is running
}

// reading is one reading of the table for all callers that came before it began. It goes on until each of them has its answer or
// has given up.
type reading struct {
	ctx     context.Context
	cancel  context.CancelFunc
	callers []*caller
	waiting int // how many callers are not settled
}

type caller struct {
	ctx     context.Context
	do      func(ctx context.Context, t *sql.Tx) error
	done    chan error // has room for the one answer
	settled bool       // has the answer, or has given up
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
	if err != nil {
		return err
	}
	x.rows, x.former = next, map[string][]string{}
	for key, entry := range next {
		for _, hash := range entry.former {
			x.former[hash] = append(x.former[hash], key)
		}
		if entry.replaced != "" {
			x.former[entry.replaced] = append(x.former[entry.replaced], key)
		}
	}
	return nil
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
	if q.FormerID != (session.ID{}) { // a stranger may have made it up, and pays for no search
		former := formerKey(q.FormerID)
		for _, key := range append([]string{string(q.FormerID[:])}, x.former[former]...) {
			entry := x.rows[key]
			if entry.matches(q) && (key == string(q.FormerID[:]) || slices.Contains(entry.former, former)) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		return keys
	}
	for key, entry := range x.rows {
		if entry.matches(q) {
			keys = append(keys, key)
		}
	}
	return keys
}

// keysOf returns the keys of all sessions of these users, with the user of each.
func (x *index) keysOf(users []string) map[string]string {
	wanted := map[string]bool{}
	for _, user := range users {
		wanted[user] = true
	}
	keys := map[string]string{}
	for key, entry := range x.rows {
		if entry.user != "" && wanted[entry.user] {
			keys[key] = entry.user
		}
	}
	return keys
}

// matches leaves FormerID aside. An anonymous session matches nothing.
func (e indexed) matches(q session.Query) bool {
	return e.user != "" && (q.User == "" || e.user == q.User) && (q.PublicID == "" || e.public == q.PublicID) && (q.After == "" || e.public > q.After)
}

func (s *sessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	var records []*session.Record
	err := s.snapshot(ctx, func(ctx context.Context, t *sql.Tx) error {
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
	s, found := (*sessions)(db), false
	err := s.snapshot(ctx, func(context.Context, *sql.Tx) error {
		found = slices.ContainsFunc(s.index.former[formerKey(id)], func(key string) bool { return s.index.rows[key].user != "" })
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("find the successor of a session: %w", err)
	}
	return found, nil
}

// snapshot refreshes the index and calls do, both on one state of the table, which is no older than the call. All who call while the
// table is being read share the next reading, so strangers with made-up tickets can't queue up readings. do may outlive a call
// whose ctx has ended.
func (s *sessions) snapshot(ctx context.Context, do func(ctx context.Context, t *sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &caller{ctx: ctx, do: do, done: make(chan error, 1)}
	r := s.join(c)
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		s.index.leave(r, c)
		return ctx.Err()
	}
}

// join adds a caller to the reading that begins next.
func (s *sessions) join(c *caller) *reading {
	x := s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.next == nil {
		x.next = &reading{}
		x.next.ctx, x.next.cancel = context.WithCancel(context.WithoutCancel(c.ctx))
	}
	r := x.next
	r.callers = append(r.callers, c)
	r.waiting++
	if !x.reading {
		x.reading = true
		go s.readAll()
	}
	return r
}

// settle reports whether no caller needs the reading any more now that c doesn't. The caller holds mu.
func (r *reading) settle(c *caller) bool {
	if !c.settled {
		c.settled = true
		r.waiting--
	}
	return r.waiting == 0
}

// leave ends a reading once no one waits for it, since c has given up.
func (x *index) leave(r *reading, c *caller) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !r.settle(c) {
		return
	}
	if x.next == r {
		x.next = nil // it has ended, so no one may join it
	}
	r.cancel()
}

// answer gives c the result of its do, or the error that kept it from being called.
func (x *index) answer(r *reading, c *caller, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r.settle(c)
	c.done <- err
}

// begin returns the next reading, which no one can join any more; nil if no caller waits.
func (x *index) begin() *reading {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.next
	x.next = nil
	x.reading = r != nil
	return r
}

// readAll does one reading after the other until no caller waits.
func (s *sessions) readAll() {
	for r := s.index.begin(); r != nil; r = s.index.begin() {
		if err := s.readFor(r); err != nil {
			for _, c := range r.callers {
				s.index.answer(r, c, err)
			}
		}
		r.cancel()
	}
}

// readFor answers all callers of a reading, or none if it returns an error.
func (s *sessions) readFor(r *reading) error {
	options := &sql.TxOptions{ReadOnly: true}
	if s.dialect.postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	t, err := s.read.BeginTx(r.ctx, options)
	if err != nil {
		return err
	}
	defer t.Rollback()
	// Take the connection before the index's lock, as DeleteUser does; the other order could deadlock.
	if err := s.index.lock(r.ctx); err != nil {
		return err
	}
	defer s.index.unlock()
	if err := s.index.refresh(r.ctx, s, t); err != nil {
		return err
	}
	for _, c := range r.callers {
		err := c.ctx.Err()
		if err == nil {
			err = c.do(r.ctx, t)
		}
		s.index.answer(r, c, err)
	}
	return nil
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

// DeleteUsers is DeleteUser for many users.
func (s *sessions) DeleteUsers(ctx context.Context, users []string) (deleted map[string]int, err error) {
	err = s.db().transaction(ctx, func(t *sql.Tx) error {
		deleted, err = s.deleteUsers(ctx, t, users, session.ID{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("delete sessions of users: %w", err)
	}
	return deleted, nil
}

func (s *sessions) deleteUser(ctx context.Context, t *sql.Tx, user string, except session.ID) (int, error) {
	deleted, err := s.deleteUsers(ctx, t, []string{user}, except)
	return deleted[user], err
}

// deleteUsers deletes until it finds no session: a rotation may move a session to another key between the reading and the
// deletion. It returns how many sessions each user had.
func (s *sessions) deleteUsers(ctx context.Context, t *sql.Tx, users []string, except session.ID) (map[string]int, error) {
	if slices.Contains(users, "") {
		return nil, errors.New("a user's ID is empty")
	}
	if err := s.index.lock(ctx); err != nil {
		return nil, err
	}
	defer s.index.unlock()
	for deleted := (map[string]int{}); ; {
		if err := s.index.refresh(ctx, s, t); err != nil {
			return nil, err
		}
		keys := s.index.keysOf(users)
		delete(keys, string(except[:]))
		if len(keys) == 0 {
			return deleted, nil
		}
		for batch := range slices.Chunk(slices.Sorted(maps.Keys(keys)), 500) {
			gone, err := s.deleteKeys(ctx, t, batch)
			if err != nil {
				return nil, err
			}
			for _, key := range gone {
				deleted[keys[key]]++
			}
		}
	}
}

// deleteKeys deletes sessions by their keys, and returns the keys of those that there were.
func (s *sessions) deleteKeys(ctx context.Context, t *sql.Tx, keys []string) (gone []string, err error) {
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return queryAll(ctx, t, func(rows *sql.Rows) (key string, err error) {
		err = rows.Scan(&key)
		return key, err
	}, `DELETE FROM `+s.table()+` WHERE `+s.dialect.format(s.dialect.anyOf, "session_key")+` RETURNING session_key`, string(list))
}

package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
)

type sessions struct {
	read, write *sql.DB
	dialect     Dialect

	create, replace, exists, touch, delete, deleteUser, deleteExpired *statement
	retire, forget, lockUser, touchAll, deleteAmong                   *statement
	load                                                              rowQuery
	loadTogether                                                      *userQuery
	countLive                                                         *statement

	accounts *accounts    // of the same database
	ends     *groupCommit // nil: each session is deleted by itself
}

const sessionColumns = `id, public_id, user_id, epoch, method, browser, created, fresh, seen, idle, deadline, expires,
	ip, agent, data, version, second_at, methods, bound, binding`

func newSessions(p *queries, accounts *accounts) *sessions {
	place := cmp.Or(p.dialect.RowPlace, "id")
	// A user's ID that this package has not made is no number, and then there is no user.
	both := ` FROM sessions s LEFT JOIN users u ON u.id = ` + p.dialect.Number(`s.user_id`) + ` WHERE s.id`
	s := &sessions{
		read: p.read, write: p.write, dialect: p.dialect, accounts: accounts,

		create: p.writing(`INSERT INTO sessions (` + sessionColumns + `)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING`),

		load: p.row(`SELECT ` + sessionColumns + ` FROM sessions WHERE id = $1`),

		loadTogether: p.users(of("s", sessionColumns)+`, `, both+` = $1`),

		// On the right side of SET, columns have their old values.
		replace: p.writing(`UPDATE sessions SET id = $1, public_id = $2, user_id = $3, epoch = $4, method = $5, browser = $6,
			created = $7, fresh = $8,
			seen = CASE WHEN id = $1 AND seen > $9 THEN seen ELSE $9 END,
			idle = $10, deadline = $11,
			expires = CASE WHEN id = $1 AND expires > $12 THEN expires ELSE $12 END,
			ip = $13, agent = $14, data = $15, version = $16, second_at = $17, methods = $18, bound = $19, binding = $20
			WHERE id = $21 AND version = $22`),

		exists: p.writing(`SELECT 1 FROM sessions WHERE id = $1`),

		retire: p.writing(`INSERT INTO retired (id, public_id) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET public_id = excluded.public_id`),

		forget: p.writing(`DELETE FROM retired WHERE public_id = $1`),

		touch: p.writing(`UPDATE sessions SET seen = $2, expires = $3 WHERE id = $1 AND seen < $2 AND expires > $2`),

		delete: p.writing(`DELETE FROM sessions WHERE id = $1`),

		touchAll: p.locking(p.dialect.Touch),

		lockUser:   p.locking(p.dialect.LockSessions),
		deleteUser: p.writing(`DELETE FROM sessions WHERE user_id = $1 AND id <> $2`),

		// The condition is repeated, because a session may be used between the selection and the deletion.
		deleteExpired: p.writing(`DELETE FROM sessions WHERE expires <= $1 AND ` + p.dialect.among(place, `SELECT `+place+` FROM sessions WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),

		deleteAmong: p.locking(p.dialect.DeleteAmong),

		countLive: p.reading(`SELECT count(*) FROM sessions WHERE expires > $1`), // reads the index alone
	}
	if p.dialect.ReadRows != nil {
		s.loadTogether.gather(p.dialect, `SELECT `+of("s", sessionColumns)+`, `, both+` = ANY ((SELECT $1::bytea[])::bytea[])`)
	}
	if s.deleteAmong != nil {
		s.ends = newGroupCommit(s.deleteEach)
	}
	return s
}

// newVersion never returns the same text twice, so that a session that is created again isn't mistaken for the former one.
func newVersion() string { return rand.Text()[:16] }

func (s *sessions) Create(ctx context.Context, r *session.Record) error {
	version := newVersion()
	n, err := affected(s.create.ExecContext(ctx, s.values(r, version)...))
	if err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	if n == 0 {
		return session.ErrExists
	}
	r.Version = version
	return nil
}

func (s *sessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	r, err := one(ctx, s.dialect, s.load, scanSession, session.ErrNotFound, id[:])
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	if r.ID != id {
		return nil, errors.New("load session: the database returned another session")
	}
	return r, nil
}

func (s *sessions) Replace(ctx context.Context, old, new *session.Record) error {
	version := newVersion()
	args := append(s.values(new, version), old.ID[:], old.Version)
	err := s.dialect.transaction(ctx, s.write, func(t tx) error {
		// Former tickets don't lead to a session with another public ID.
		if new.PublicID != old.PublicID {
			if _, err := t.exec(s.forget, s.dialect.Bytes(old.PublicID)); err != nil {
				return fmt.Errorf("replace session: %w", err)
			}
		}
		n, err := t.exec(s.replace, args...)
		switch {
		case err != nil && s.dialect.Unique(err):
			return session.ErrExists
		case err != nil:
			return fmt.Errorf("replace session: %w", err)
		case n == 0:
			return s.replaceError(t, old.ID)
		case new.ID != old.ID && new.PublicID == old.PublicID:
			if _, err := t.exec(s.retire, old.ID[:], s.dialect.Bytes(old.PublicID)); err != nil {
				return fmt.Errorf("retire session ID: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	new.Version = version
	return nil
}

// replaceError returns the reason why no row had the expected ID and version.
func (s *sessions) replaceError(t tx, id session.ID) error {
	var one int
	err := t.queryRow(s.exists, id[:]).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return session.ErrNotFound
	case err != nil:
		return fmt.Errorf("replace session: %w", err)
	}
	return session.ErrConflict
}

func (s *sessions) Delete(ctx context.Context, id session.ID) error {
	_, err := s.Remove(ctx, id)
	return err
}

// Remove implements removal.Remover.
func (s *sessions) Remove(ctx context.Context, id session.ID) (removed bool, err error) {
	if s.ends != nil {
		removed, err = s.ends.end(ctx, id)
	} else {
		removed, err = s.deleteEach(ctx, [][]byte{id[:]})
	}
	if err != nil {
		return false, fmt.Errorf("delete session: %w", err)
	}
	return removed, nil
}

// deleteEach deletes these sessions with one statement, and reports whether it has deleted as many.
func (s *sessions) deleteEach(ctx context.Context, ids [][]byte) (all bool, err error) {
	n := 0
	// Repeating is right whether or not the statement was done before the connection was lost.
	err = resilience.Retry(ctx, s.dialect.Lost, func() (err error) {
		if len(ids) == 1 {
			n, err = affected(s.delete.ExecContext(ctx, ids[0]))
		} else {
			n, err = affected(s.deleteAmong.ExecContext(ctx, ids))
		}
		return err
	})
	return err == nil && n == len(ids), err
}

func (s *sessions) DeleteUser(ctx context.Context, user string, except session.ID) (int, error) {
	spared := except[:]
	if except == (session.ID{}) {
		spared = []byte{} // shorter than every ID
	}
	n, err := s.deleteAll(ctx, s.dialect.Bytes(user), spared)
	if err != nil {
		return 0, fmt.Errorf("delete sessions of a user: %w", err)
	}
	return n, nil
}

// deleteAll deletes sessions of a user. Where the database locks row by row, it first locks them in the order of IDs, so that
// it and a batch of Touch never wait for each other.
func (s *sessions) deleteAll(ctx context.Context, user any, spared []byte) (n int, err error) {
	if s.lockUser == nil {
		return affected(s.deleteUser.ExecContext(ctx, user, spared))
	}
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		if _, err := t.exec(s.lockUser, user); err != nil {
			return err
		}
		n, err = t.exec(s.deleteUser, user, spared)
		return err
	})
	return n, err
}

func (s *sessions) List(ctx context.Context, q session.Query) ([]*session.Record, error) {
	query, args := s.listing(q)
	found, err := all(ctx, s.dialect, func() (*sql.Rows, error) { return s.read.QueryContext(ctx, s.dialect.Named(query), args...) }, scanSession)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return found, nil
}

func (s *sessions) listing(q session.Query) (query string, args []any) {
	l := listing{dialect: s.dialect}
	l.condition("user_id =", q.User)
	l.condition("public_id =", q.PublicID)
	l.condition("public_id >", q.After)
	if q.FormerID != (session.ID{}) {
		parameter := l.parameter(q.FormerID[:])
		l.where = append(l.where, `(id = `+parameter+` OR public_id = (SELECT public_id FROM retired WHERE id = `+parameter+`))`)
	}
	return `SELECT ` + sessionColumns + ` FROM sessions` + l.text(q.Limit), l.args
}

func (s *sessions) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	n, err := affected(s.deleteExpired.ExecContext(ctx, now, max(limit, 0)))
	if err != nil {
		return 0, fmt.Errorf("delete expired sessions: %w", err)
	}
	return n, nil
}

// CountLive returns how many sessions have not expired by now.
func (s *sessions) CountLive(ctx context.Context, now int64) (n int, err error) {
	if err := s.countLive.QueryRowContext(ctx, now).Scan(&n); err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return n, nil
}

// values returns a record's fields in the order of sessionColumns.
func (s *sessions) values(r *session.Record, version string) []any {
	text := s.dialect.Bytes
	return []any{r.ID[:], text(r.PublicID), text(r.User), text(r.Epoch), text(r.Method.String()), r.Browser, r.Created, r.ReauthenticatedAt,
		r.Seen, r.Idle, r.Deadline, r.Expires, text(r.IP), text(r.Agent.String()), bytesOrEmpty(r.Values), version, r.SecondAt, text(r.Methods.String()),
		r.Bound, text(r.Binding)}
}

// JoinedView returns what reads a session and its user in one statement; nil unless accounts is the store of users of the same
// [DB]. The user is nil if there is none, or may be one that another statement finds.
func (s *sessions) JoinedView(accounts account.Store) func(context.Context, session.ID) (*session.Record, *account.User, error) {
	if accounts != account.Store(s.accounts) {
		return nil
	}
	return s.readJoined
}

// both is a session and its user.
type both struct {
	session *session.Record
	user    *account.User
}

func (s *sessions) readJoined(ctx context.Context, id session.ID) (*session.Record, *account.User, error) {
	var b both
	read := func(c Columns) (err error) {
		b, err = scanBoth(c)
		return err
	}
	err := resilience.Retry(ctx, s.dialect.Lost, func() error { return s.loadTogether.read(ctx, s.dialect, read, id[:]) })
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil, session.ErrNotFound
	case err != nil:
		return nil, nil, fmt.Errorf("load session and user: %w", err)
	case b.session.ID != id:
		return nil, nil, errors.New("load session: the database returned another session")
	}
	if b.user != nil && b.user.ID != b.session.User { // "07" is not the ID of user 7
		b.user = nil
	}
	return b.session, b.user, nil
}

// sessionWidth is the number of sessionColumns.
var sessionWidth = strings.Count(sessionColumns, ",") + 1

func scanBoth(c Columns) (b both, err error) {
	if b.session, err = scanSession(row{c, 0, sessionWidth}); err != nil || c.Null(sessionWidth) {
		return b, err
	}
	b.user, err = scanUser(row{c, sessionWidth, c.Len() - sessionWidth})
	return b, err
}

// of returns a list of columns with the name of their table.
func of(table, columns string) string {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = table + "." + strings.TrimSpace(name)
	}
	return strings.Join(names, ", ")
}

func scanSession(row scanner) (*session.Record, error) {
	var r session.Record
	var s struct { // in one piece
		id                     []byte
		method, methods, agent string
	}
	err := row.Scan(&s.id, &r.PublicID, &r.User, &r.Epoch, &s.method, &r.Browser, &r.Created, &r.ReauthenticatedAt,
		&r.Seen, &r.Idle, &r.Deadline, &r.Expires, &r.IP, &s.agent, &r.Values, &r.Version, &r.SecondAt, &s.methods,
		&r.Bound, &r.Binding)
	if err != nil {
		return nil, err
	}
	if len(s.id) != len(r.ID) {
		return nil, fmt.Errorf("stored session ID has %d bytes", len(s.id))
	}
	r.ID = session.ID(s.id)
	r.Method, r.Methods, r.Agent = session.Intern(s.method), session.Intern(s.methods), session.Intern(s.agent)
	return &r, nil
}

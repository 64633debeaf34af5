package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type links struct {
	read, write *sql.DB
	dialect     Dialect

	lock, add, list, use, remove, owns, others, deleteLinks, deleteOrigins *statement

	addOrigin, ofSubject, ofSession, note, noted, expiredOrigins, expiredLogouts *statement
	find, origin, loggedOut                                                      rowQuery
}

const (
	linkColumns   = `id, user_id, issuer, subject, email, added, used`
	originColumns = `session, pending, user_id, issuer, subject, sid, began, expires`
	logoutColumns = `token, issuer, subject, sid, at, expires`
)

func newLinks(p *queries) *links {
	return &links{
		read: p.read, write: p.write, dialect: p.dialect,

		lock: p.locking(p.dialect.LockTokens),

		add:    p.writing(`INSERT INTO links (` + linkColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`),
		find:   p.row(`SELECT ` + linkColumns + ` FROM links WHERE issuer = $1 AND subject = $2`),
		list:   p.reading(`SELECT ` + linkColumns + ` FROM links WHERE user_id = $1 ORDER BY number`),
		use:    p.writing(`UPDATE links SET used = CASE WHEN used > $2 THEN used ELSE $2 END, email = $3 WHERE id = $1`),
		remove: p.writing(`DELETE FROM links WHERE id = $1 AND user_id = $2`),
		owns:   p.writing(`SELECT COUNT(*) FROM links WHERE id = $1 AND user_id = $2`),
		others: p.writing(`SELECT COUNT(*) FROM links WHERE id <> $1 AND user_id = $2`),

		deleteLinks:   p.writing(`DELETE FROM links WHERE user_id = $1`),
		deleteOrigins: p.writing(`DELETE FROM link_origins WHERE user_id = $1`),

		addOrigin: p.writing(`INSERT INTO link_origins (` + originColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (session) DO UPDATE SET pending = excluded.pending, user_id = excluded.user_id, issuer = excluded.issuer,
				subject = excluded.subject, sid = excluded.sid, began = excluded.began, expires = excluded.expires`),
		origin:    p.row(`SELECT ` + originColumns + ` FROM link_origins WHERE session = $1`),
		ofSubject: p.reading(`SELECT ` + originColumns + ` FROM link_origins WHERE issuer = $1 AND subject = $2`),
		ofSession: p.reading(`SELECT ` + originColumns + ` FROM link_origins WHERE issuer = $1 AND sid = $2`),

		note:  p.writing(`INSERT INTO link_logouts (` + logoutColumns + `) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`),
		noted: p.writing(`SELECT ` + logoutColumns + ` FROM link_logouts WHERE token = $1`),
		loggedOut: p.row(`SELECT COALESCE(MAX(at), 0) FROM link_logouts
			WHERE issuer = $1 AND (subject = $2 AND subject <> '' OR sid = $3 AND sid <> '')`),

		expiredOrigins: p.writing(`DELETE FROM link_origins WHERE ` + p.dialect.among(`session`, `SELECT session FROM link_origins WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
		expiredLogouts: p.writing(`DELETE FROM link_logouts WHERE ` + p.dialect.among(`token`, `SELECT token FROM link_logouts WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
	}
}

func scanLink(row scanner) (*federation.Link, error) {
	var l federation.Link
	err := row.Scan(&l.ID, &l.User, &l.Issuer, &l.Subject, &l.Email, &l.Added, &l.Used)
	return &l, err
}

func scanOrigin(row scanner) (*federation.SessionOrigin, error) {
	var o federation.SessionOrigin
	err := row.Scan(&o.Session, &o.Pending, &o.User, &o.Issuer, &o.Subject, &o.SID, &o.Began, &o.Expires)
	return &o, err
}

func scanLogout(row scanner) (*federation.Logout, error) {
	var l federation.Logout
	var token []byte
	if err := row.Scan(&token, &l.Issuer, &l.Subject, &l.SID, &l.At, &l.Expires); err != nil {
		return nil, err
	}
	if len(token) != len(l.Token) {
		return nil, fmt.Errorf("the stored hash has %d bytes", len(token))
	}
	l.Token = [32]byte(token)
	return &l, nil
}

func (s *links) Add(ctx context.Context, l *federation.Link) error {
	text := s.dialect.Bytes
	n, err := affected(s.add.ExecContext(ctx, text(l.ID), text(l.User), text(l.Issuer), text(l.Subject), text(l.Email), l.Added, l.Used))
	if err != nil {
		return fmt.Errorf("add link: %w", err)
	}
	if n == 0 {
		return federation.ErrExists
	}
	return nil
}

func (s *links) Find(ctx context.Context, issuer, subject string) (*federation.Link, error) {
	l, err := one(ctx, s.dialect, s.find, scanLink, federation.ErrNotFound, s.dialect.Bytes(issuer), s.dialect.Bytes(subject))
	if err != nil {
		return nil, fmt.Errorf("find link: %w", err)
	}
	return l, nil
}

func (s *links) List(ctx context.Context, user string) ([]*federation.Link, error) {
	list, err := all(ctx, s.dialect, func() (*sql.Rows, error) {
		return s.list.QueryContext(ctx, s.dialect.Bytes(user))
	}, scanLink)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return list, nil
}

func (s *links) Use(ctx context.Context, id string, at int64, email string) error {
	n, err := affected(s.use.ExecContext(ctx, s.dialect.Bytes(id), at, s.dialect.Bytes(email)))
	if err != nil {
		return fmt.Errorf("record the use of a link: %w", err)
	}
	if n == 0 {
		return federation.ErrNotFound
	}
	return nil
}

func (s *links) Remove(ctx context.Context, user, id string, keep int) error {
	userID, linkID := s.dialect.Bytes(user), s.dialect.Bytes(id)
	return s.dialect.transaction(ctx, s.write, func(t tx) error {
		if _, err := t.exec(s.lock, userID); err != nil {
			return fmt.Errorf("lock the links of a user: %w", err)
		}
		var owns, others int
		if err := t.queryRow(s.owns, linkID, userID).Scan(&owns); err != nil {
			return fmt.Errorf("find link: %w", err)
		}
		if err := t.queryRow(s.others, linkID, userID).Scan(&others); err != nil {
			return fmt.Errorf("count links: %w", err)
		}
		switch {
		case owns == 0:
			return federation.ErrNotFound
		case others < keep:
			return federation.ErrTooFew
		}
		if _, err := t.exec(s.remove, linkID, userID); err != nil {
			return fmt.Errorf("remove link: %w", err)
		}
		return nil
	})
}

func (s *links) DeleteUser(ctx context.Context, user string) (n int, err error) {
	id := s.dialect.Bytes(user)
	err = s.dialect.transaction(ctx, s.write, func(t tx) (err error) {
		if n, err = t.exec(s.deleteLinks, id); err != nil {
			return fmt.Errorf("delete the links of a user: %w", err)
		}
		if _, err = t.exec(s.deleteOrigins, id); err != nil {
			return fmt.Errorf("delete the origins of a user: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *links) AddOrigin(ctx context.Context, o *federation.SessionOrigin) error {
	text := s.dialect.Bytes
	_, err := s.addOrigin.ExecContext(ctx, text(o.Session), o.Pending, text(o.User), text(o.Issuer), text(o.Subject), text(o.SID), o.Began, o.Expires)
	if err != nil {
		return fmt.Errorf("add origin: %w", err)
	}
	return nil
}

func (s *links) Origins(ctx context.Context, issuer, subject, sid string) ([]*federation.SessionOrigin, error) {
	if subject == "" && sid == "" {
		return nil, ctx.Err()
	}
	query, of := s.ofSubject, subject
	if subject == "" {
		query, of = s.ofSession, sid
	}
	list, err := all(ctx, s.dialect, func() (*sql.Rows, error) {
		return query.QueryContext(ctx, s.dialect.Bytes(issuer), s.dialect.Bytes(of))
	}, scanOrigin)
	if err != nil {
		return nil, fmt.Errorf("list origins: %w", err)
	}
	return list, nil
}

func (s *links) Origin(ctx context.Context, session string) (*federation.SessionOrigin, error) {
	o, err := one(ctx, s.dialect, s.origin, scanOrigin, federation.ErrNotFound, s.dialect.Bytes(session))
	if err != nil {
		return nil, fmt.Errorf("find origin: %w", err)
	}
	return o, nil
}

func (s *links) Note(ctx context.Context, l *federation.Logout) (noted *federation.Logout, err error) {
	text := s.dialect.Bytes
	err = s.dialect.transaction(ctx, s.write, func(t tx) (err error) {
		if _, err := t.exec(s.note, l.Token[:], text(l.Issuer), text(l.Subject), text(l.SID), l.At, l.Expires); err != nil {
			return fmt.Errorf("note logout: %w", err)
		}
		if noted, err = scanLogout(t.queryRow(s.noted, l.Token[:])); err != nil {
			return fmt.Errorf("read a noted logout: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return noted, nil
}

func (s *links) LoggedOut(ctx context.Context, issuer, subject, sid string) (int64, error) {
	text := s.dialect.Bytes
	scan := func(row scanner) (at int64, err error) {
		err = row.Scan(&at)
		return at, err
	}
	at, err := one(ctx, s.dialect, s.loggedOut, scan, federation.ErrNotFound, text(issuer), text(subject), text(sid))
	if err != nil {
		return 0, fmt.Errorf("look for a logout: %w", err)
	}
	return at, nil
}

func (s *links) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	limit = max(limit, 0)
	n, err := affected(s.expiredOrigins.ExecContext(ctx, now, limit))
	if err != nil {
		return 0, fmt.Errorf("delete expired origins: %w", err)
	}
	logouts, err := affected(s.expiredLogouts.ExecContext(ctx, now, limit-n))
	if err != nil {
		return n, fmt.Errorf("delete expired logouts: %w", err)
	}
	return n + logouts, nil
}

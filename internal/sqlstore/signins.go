package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/cloakroom-auth/cloakroom/signin"
)

type signins struct {
	read, write *sql.DB
	dialect     Dialect

	lock, create, evict, fail, spend, deleteUser *statement
	load                                         rowQuery

	mark, deleteExpired, deleteMarks, countLive *statement
}

const signinColumns = `id, kind, user_id, epoch, methods, first_at, second_at, remember, app, device, address, created, expires, tries, data`

func newSignins(p *queries) *signins {
	return &signins{
		read: p.read, write: p.write, dialect: p.dialect,

		lock: p.locking(p.dialect.LockTokens),

		create: p.writing(`INSERT INTO pending_signins (` + signinColumns + `)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`),
		evict: p.writing(`DELETE FROM pending_signins WHERE user_id = $1 AND expires > $2 AND number NOT IN
			(SELECT number FROM pending_signins WHERE user_id = $1 AND expires > $2 ORDER BY number DESC LIMIT $3)`),
		load:       p.row(`SELECT ` + signinColumns + ` FROM pending_signins WHERE id = $1`),
		fail:       p.writing(`UPDATE pending_signins SET tries = tries + 1 WHERE id = $1 RETURNING tries`),
		spend:      p.writing(`DELETE FROM pending_signins WHERE id = $1`),
		deleteUser: p.writing(`DELETE FROM pending_signins WHERE user_id = $1`),

		countLive: p.reading(`SELECT count(*) FROM pending_signins WHERE expires > $1 AND user_id <> $2`),

		mark:          p.writing(`INSERT INTO spent (hash, expires) VALUES ($1, $2) ON CONFLICT DO NOTHING`),
		deleteExpired: p.writing(`DELETE FROM pending_signins WHERE ` + p.dialect.among(`number`, `SELECT number FROM pending_signins WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
		deleteMarks:   p.writing(`DELETE FROM spent WHERE ` + p.dialect.among(`hash`, `SELECT hash FROM spent WHERE expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),
	}
}

func (s *signins) Create(ctx context.Context, p *signin.Pending, most int) error {
	text := s.dialect.Bytes
	return s.dialect.transaction(ctx, s.write, func(t tx) error {
		if _, err := t.exec(s.lock, text(p.User)); err != nil {
			return fmt.Errorf("lock the pending sign-ins of a user: %w", err)
		}
		n, err := t.exec(s.create, p.ID[:], text(string(p.Kind)), text(p.User), text(p.Epoch), text(joinMethods(p.Methods)), p.FirstAt, p.SecondAt,
			p.Remember, p.App, text(p.Device), text(p.Address), p.Created, p.Expires, p.Tries, bytesOrEmpty(p.Data))
		if err != nil {
			return fmt.Errorf("create pending sign-in: %w", err)
		}
		if n == 0 {
			return signin.ErrExists
		}
		if _, err := t.exec(s.evict, text(p.User), p.Created, max(most, 1)); err != nil {
			return fmt.Errorf("delete the oldest pending sign-ins of a user: %w", err)
		}
		return nil
	})
}

func (s *signins) Load(ctx context.Context, id signin.ID) (*signin.Pending, error) {
	p, err := one(ctx, s.dialect, s.load, scanSignin, signin.ErrNotFound, id[:])
	if err != nil {
		return nil, fmt.Errorf("load pending sign-in: %w", err)
	}
	if p.ID != id {
		return nil, errors.New("load pending sign-in: the database returned another one")
	}
	return p, nil
}

func scanSignin(row scanner) (*signin.Pending, error) {
	var p signin.Pending
	var id []byte
	var methods string
	err := row.Scan(&id, &p.Kind, &p.User, &p.Epoch, &methods, &p.FirstAt, &p.SecondAt, &p.Remember, &p.App, &p.Device, &p.Address,
		&p.Created, &p.Expires, &p.Tries, &p.Data)
	if err != nil {
		return nil, err
	}
	if len(id) != len(p.ID) {
		return nil, fmt.Errorf("the stored ID has %d bytes", len(id))
	}
	p.ID = signin.ID(id)
	for word := range strings.FieldsSeq(methods) {
		p.Methods = append(p.Methods, signin.Method(word))
	}
	return &p, nil
}

// joinMethods writes methods, which are words, into one text.
func joinMethods(methods []signin.Method) string {
	words := make([]string, len(methods))
	for i, m := range methods {
		words[i] = string(m)
	}
	return strings.Join(words, " ")
}

func (s *signins) Fail(ctx context.Context, id signin.ID) (tries int, err error) {
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		err := t.queryRow(s.fail, id[:]).Scan(&tries)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return signin.ErrNotFound
		case err != nil:
			return fmt.Errorf("count the tries of a pending sign-in: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return tries, nil
}

func (s *signins) Spend(ctx context.Context, id signin.ID) error {
	n, err := affected(s.spend.ExecContext(ctx, id[:]))
	if err != nil {
		return fmt.Errorf("spend pending sign-in: %w", err)
	}
	if n == 0 {
		return signin.ErrNotFound
	}
	return nil
}

func (s *signins) MarkSpent(ctx context.Context, hash [32]byte, expires int64) error {
	n, err := affected(s.mark.ExecContext(ctx, hash[:], expires))
	if err != nil {
		return fmt.Errorf("mark as spent: %w", err)
	}
	if n == 0 {
		return signin.ErrSpent
	}
	return nil
}

func (s *signins) DeleteUser(ctx context.Context, user string) (int, error) {
	n, err := affected(s.deleteUser.ExecContext(ctx, s.dialect.Bytes(user)))
	if err != nil {
		return 0, fmt.Errorf("delete the pending sign-ins of a user: %w", err)
	}
	return n, nil
}

func (s *signins) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	limit = max(limit, 0)
	n, err := affected(s.deleteExpired.ExecContext(ctx, now, limit))
	if err != nil {
		return 0, fmt.Errorf("delete expired pending sign-ins: %w", err)
	}
	marks, err := affected(s.deleteMarks.ExecContext(ctx, now, limit-n))
	if err != nil {
		return n, fmt.Errorf("delete expired marks: %w", err)
	}
	return n + marks, nil
}

// CountLive returns how many pending sign-ins of known users have not expired by now.
func (s *signins) CountLive(ctx context.Context, now int64) (n int, err error) {
	if err := s.countLive.QueryRowContext(ctx, now, s.dialect.Bytes("")).Scan(&n); err != nil {
		return 0, fmt.Errorf("count pending sign-ins: %w", err)
	}
	return n, nil
}

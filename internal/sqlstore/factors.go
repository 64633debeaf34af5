package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/factor"
)

type factors struct {
	read, write *sql.DB
	dialect     Dialect

	lock, load, add, exists, setState, use, useOnce, rename, delete, list, replaceData *statement

	deleteFactors, deleteCodes, deleteUser *statement

	addCode, spendCode, countCodes *statement
	addHandle, setSecondStep       *statement
	find, findHandle               rowQuery
}

const factorColumns = `id, user_id, kind, name, state, epoch, created, used, counter, credential, rp_id, data`

func newFactors(p *queries) *factors {
	return &factors{
		read: p.read, write: p.write, dialect: p.dialect,

		lock: p.locking(p.dialect.LockTokens),

		// One statement, so that all of it is of one moment. There is one row even if the user has no factor.
		load: p.reading(`SELECT COALESCE(f.id, ''), COALESCE(f.kind, ''), COALESCE(f.name, ''), COALESCE(f.state, ''), COALESCE(f.epoch, ''),
			COALESCE(f.created, 0), COALESCE(f.used, 0), COALESCE(f.counter, 0), f.credential, COALESCE(f.rp_id, ''), f.data,
			u.codes, u.handle, u.second_step
			FROM (SELECT (SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1) AS codes,
				(SELECT handle FROM factor_users WHERE user_id = $1) AS handle,
				(SELECT second_step FROM factor_users WHERE user_id = $1) AS second_step) AS u
			LEFT JOIN factors AS f ON f.user_id = $1 ORDER BY f.number`),

		find: p.row(`SELECT ` + factorColumns + ` FROM factors WHERE credential = $1`),

		add: p.writing(`INSERT INTO factors (` + factorColumns + `)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`),

		exists: p.writing(`SELECT 1 FROM factors WHERE id = $1`),

		setState: p.writing(`UPDATE factors SET state = $3, epoch = $4 WHERE id = $1 AND state = $2`),

		// On the right side of SET, columns have their old values.
		use: p.writing(`UPDATE factors SET used = CASE WHEN used > $2 THEN used ELSE $2 END,
			counter = CASE WHEN counter > $3 THEN counter ELSE $3 END, data = COALESCE($4, data) WHERE id = $1`),
		useOnce: p.writing(`UPDATE factors SET used = CASE WHEN used > $2 THEN used ELSE $2 END,
			counter = $3, data = COALESCE($4, data) WHERE id = $1 AND counter < $3`),

		rename: p.writing(`UPDATE factors SET name = $2 WHERE id = $1`),
		delete: p.writing(`DELETE FROM factors WHERE id = $1`),

		list: p.reading(`SELECT ` + factorColumns + ` FROM factors WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3`),

		replaceData: p.writing(`UPDATE factors SET data = $3 WHERE id = $1 AND data = $2`),

		deleteFactors: p.writing(`DELETE FROM factors WHERE user_id = $1`),
		deleteCodes:   p.writing(`DELETE FROM recovery_codes WHERE user_id = $1`),
		deleteUser:    p.writing(`DELETE FROM factor_users WHERE user_id = $1`),

		addCode:    p.writing(`INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING`),
		spendCode:  p.writing(`DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2`),
		countCodes: p.writing(`SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1`),

		addHandle: p.writing(`INSERT INTO factor_users (user_id, handle, second_step) VALUES ($1, $2, $3)
			ON CONFLICT (user_id) DO UPDATE SET handle = COALESCE(factor_users.handle, excluded.handle) RETURNING handle`),
		findHandle: p.row(`SELECT user_id FROM factor_users WHERE handle = $1`),
		setSecondStep: p.writing(`INSERT INTO factor_users (user_id, second_step) VALUES ($1, $2)
			ON CONFLICT (user_id) DO UPDATE SET second_step = excluded.second_step`),
	}
}

func (s *factors) Load(ctx context.Context, user string) (*factor.Profile, error) {
	var profile *factor.Profile
	scan := func(row scanner) (_ struct{}, err error) {
		f := factor.Factor{User: user}
		var p factor.Profile
		var second sql.NullBool
		err = row.Scan(&f.ID, &f.Kind, &f.Name, &f.State, &f.Epoch, &f.Created, &f.Used, &f.Counter, &f.Credential, &f.RPID, &f.Data,
			&p.RecoveryCodes, &p.Handle, &second)
		if profile == nil {
			p.SecondStep = second.Bool
			profile = &p
		}
		if f.ID != "" {
			profile.Factors = append(profile.Factors, &f)
		}
		return struct{}{}, err
	}
	_, err := all(ctx, s.dialect, func() (*sql.Rows, error) {
		profile = nil // a query that is repeated begins anew
		return s.load.QueryContext(ctx, s.dialect.Bytes(user))
	}, scan)
	if err != nil {
		return nil, fmt.Errorf("load factors: %w", err)
	}
	return profile, nil
}

func (s *factors) FindCredential(ctx context.Context, credential []byte) (*factor.Factor, error) {
	f, err := one(ctx, s.dialect, s.find, scanFactor, factor.ErrNotFound, bytesOrEmpty(credential))
	if err != nil {
		return nil, fmt.Errorf("find credential: %w", err)
	}
	return f, nil
}

func scanFactor(row scanner) (*factor.Factor, error) {
	var f factor.Factor
	err := row.Scan(&f.ID, &f.User, &f.Kind, &f.Name, &f.State, &f.Epoch, &f.Created, &f.Used, &f.Counter, &f.Credential, &f.RPID, &f.Data)
	return &f, err
}

func (s *factors) Add(ctx context.Context, f *factor.Factor) error {
	n, err := affected(s.add.ExecContext(ctx, s.row(f)...))
	if err != nil {
		return fmt.Errorf("add factor: %w", err)
	}
	if n == 0 {
		return factor.ErrExists
	}
	return nil
}

// row returns the values of factorColumns.
func (s *factors) row(f *factor.Factor) []any {
	text := s.dialect.Bytes
	var credential any // NULL
	if f.Credential != nil {
		credential = f.Credential
	}
	return []any{
		text(f.ID), text(f.User), text(string(f.Kind)), text(f.Name), text(string(f.State)), text(f.Epoch),
		f.Created, f.Used, f.Counter, credential, text(f.RPID), bytesOrEmpty(f.Data),
	}
}

func (s *factors) SetState(ctx context.Context, id string, from, to factor.State, epoch string) error {
	text := s.dialect.Bytes
	return s.change(ctx, "change the state of a factor", s.setState, text(id), text(string(from)), text(string(to)), text(epoch))
}

func (s *factors) Rename(ctx context.Context, id, name string) error {
	return s.change(ctx, "rename factor", s.rename, s.dialect.Bytes(id), s.dialect.Bytes(name))
}

// change runs a statement that must change one row.
func (s *factors) change(ctx context.Context, what string, statement *statement, args ...any) error {
	n, err := affected(statement.ExecContext(ctx, args...))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n == 0 {
		return factor.ErrNotFound
	}
	return nil
}

func (s *factors) Use(ctx context.Context, id string, u factor.LastUse) error {
	var data any // NULL
	if u.Data != nil {
		data = u.Data
	}
	if !u.Once {
		return s.change(ctx, "record the use of a factor", s.use, s.dialect.Bytes(id), u.At, u.Counter, data)
	}
	return s.dialect.transaction(ctx, s.write, func(t tx) error {
		n, err := t.exec(s.useOnce, s.dialect.Bytes(id), u.At, u.Counter, data)
		if err != nil {
			return fmt.Errorf("record the use of a factor: %w", err)
		}
		if n > 0 {
			return nil
		}
		var one int
		switch err := t.queryRow(s.exists, s.dialect.Bytes(id)).Scan(&one); {
		case err == sql.ErrNoRows:
			return factor.ErrNotFound
		case err != nil:
			return fmt.Errorf("record the use of a factor: %w", err)
		}
		return factor.ErrUsed
	})
}

func (s *factors) Delete(ctx context.Context, id string) error {
	if _, err := s.delete.ExecContext(ctx, s.dialect.Bytes(id)); err != nil {
		return fmt.Errorf("delete factor: %w", err)
	}
	return nil
}

func (s *factors) List(ctx context.Context, kind factor.Kind, after string, limit int) ([]*factor.Factor, error) {
	list, err := all(ctx, s.dialect, func() (*sql.Rows, error) {
		return s.list.QueryContext(ctx, s.dialect.Bytes(string(kind)), s.dialect.Bytes(after), limit)
	}, scanFactor)
	if err != nil {
		return nil, fmt.Errorf("list factors: %w", err)
	}
	return list, nil
}

func (s *factors) ReplaceData(ctx context.Context, id string, old, new []byte) (bool, error) {
	n, err := affected(s.replaceData.ExecContext(ctx, s.dialect.Bytes(id), bytesOrEmpty(old), bytesOrEmpty(new)))
	if err != nil {
		return false, fmt.Errorf("replace the data of a factor: %w", err)
	}
	return n > 0, nil
}

func (s *factors) DeleteUser(ctx context.Context, user string) (n int, err error) {
	id := s.dialect.Bytes(user)
	err = s.dialect.transaction(ctx, s.write, func(t tx) (err error) {
		if n, err = t.exec(s.deleteFactors, id); err != nil {
			return fmt.Errorf("delete the factors of a user: %w", err)
		}
		if _, err = t.exec(s.deleteCodes, id); err != nil {
			return fmt.Errorf("delete the recovery codes of a user: %w", err)
		}
		if _, err = t.exec(s.deleteUser, id); err != nil {
			return fmt.Errorf("delete the user handle of a user: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *factors) SetRecoveryCodes(ctx context.Context, user string, hashes [][32]byte) error {
	id := s.dialect.Bytes(user)
	return s.dialect.transaction(ctx, s.write, func(t tx) error {
		if _, err := t.exec(s.lock, id); err != nil {
			return fmt.Errorf("lock the recovery codes of a user: %w", err)
		}
		if _, err := t.exec(s.deleteCodes, id); err != nil {
			return fmt.Errorf("delete the recovery codes of a user: %w", err)
		}
		for _, hash := range hashes {
			if _, err := t.exec(s.addCode, id, hash[:]); err != nil {
				return fmt.Errorf("add recovery code: %w", err)
			}
		}
		return nil
	})
}

func (s *factors) SpendRecoveryCode(ctx context.Context, user string, hash [32]byte) (left int, err error) {
	id := s.dialect.Bytes(user)
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		if _, err := t.exec(s.lock, id); err != nil {
			return fmt.Errorf("lock the recovery codes of a user: %w", err)
		}
		n, err := t.exec(s.spendCode, id, hash[:])
		if err != nil {
			return fmt.Errorf("spend recovery code: %w", err)
		}
		if n == 0 {
			return factor.ErrUsed
		}
		if err := t.queryRow(s.countCodes, id).Scan(&left); err != nil {
			return fmt.Errorf("count recovery codes: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return left, nil
}

func (s *factors) AddHandle(ctx context.Context, user string, handle []byte) (stored []byte, err error) {
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		err := t.queryRow(s.addHandle, s.dialect.Bytes(user), bytesOrEmpty(handle), false).Scan(&stored)
		switch {
		case s.dialect.Unique(err):
			return factor.ErrExists
		case err != nil:
			return fmt.Errorf("add user handle: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

func (s *factors) FindHandle(ctx context.Context, handle []byte) (string, error) {
	scan := func(row scanner) (user string, err error) {
		err = row.Scan(&user)
		return user, err
	}
	user, err := one(ctx, s.dialect, s.findHandle, scan, factor.ErrNotFound, bytesOrEmpty(handle))
	if err != nil {
		return "", fmt.Errorf("find user handle: %w", err)
	}
	return user, nil
}

func (s *factors) SetSecondStep(ctx context.Context, user string, on bool) error {
	if _, err := s.setSecondStep.ExecContext(ctx, s.dialect.Bytes(user), on); err != nil {
		return fmt.Errorf("set whether a user wants a second step: %w", err)
	}
	return nil
}

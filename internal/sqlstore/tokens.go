package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/token"
)

type tokens struct {
	read, write *sql.DB
	dialect     Dialect

	lock, count, evict, create, replace, exists, touch, delete, deleteExpired *statement
	load                                                                      rowQuery

	note, noted, move *statement // of imported tokens
}

const tokenColumns = `id, public_id, user_id, epoch, kind, name, scopes, created, used, expires, ip, agent, data, version`

func newTokens(p *queries) *tokens {
	const live = ` FROM tokens WHERE user_id = $1 AND kind = $2 AND (expires = 0 OR expires > $3) AND id <> $4`
	return &tokens{
		read: p.read, write: p.write, dialect: p.dialect,

		lock:  p.locking(p.dialect.LockTokens),
		count: p.writing(`SELECT COUNT(*)` + live),
		evict: p.writing(`DELETE FROM tokens WHERE id IN (SELECT id` + live + ` ORDER BY created, number LIMIT $5)`),

		create: p.writing(`INSERT INTO tokens (` + tokenColumns + `)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING`),

		load: p.row(`SELECT ` + tokenColumns + ` FROM tokens WHERE id = $1`),

		// On the right side of SET, columns have their old values.
		replace: p.writing(`UPDATE tokens SET user_id = $1, epoch = $2, kind = $3, name = $4, scopes = $5, created = $6,
			used = CASE WHEN used > $7 THEN used ELSE $7 END, expires = $8, ip = $9, agent = $10, data = $11, version = $12
			WHERE id = $13 AND version = $14`),

		exists: p.writing(`SELECT 1 FROM tokens WHERE id = $1`),

		touch: p.writing(`UPDATE tokens SET used = $2 WHERE id = $1 AND used < $2`),

		delete: p.writing(`DELETE FROM tokens WHERE id = $1`),

		deleteExpired: p.writing(`DELETE FROM tokens WHERE ` + p.dialect.among(`id`, `SELECT id FROM tokens WHERE expires > 0 AND expires <= $1 ORDER BY expires LIMIT $2`+p.dialect.SkipLocked) + p.alone()),

		note:  p.writing(`INSERT INTO imported_tokens (id) VALUES ($1) ON CONFLICT DO NOTHING`),
		noted: p.writing(`SELECT EXISTS (SELECT 1 FROM imported_tokens WHERE id = $1)`),
		move:  p.writing(`UPDATE tokens SET epoch = $1, version = $2 WHERE user_id = $3 AND epoch = $4 AND data = $5`),
	}
}

func (s *tokens) Create(ctx context.Context, r *token.Record, limit token.Limit) error {
	version := newVersion()
	values, err := s.values(r, version)
	if err != nil {
		return err
	}
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		if err := s.lockUser(t, r, limit); err != nil {
			return err
		}
		n, err := t.exec(s.create, values...)
		if err != nil {
			return fmt.Errorf("create token: %w", err)
		}
		if n == 0 {
			return token.ErrExists
		}
		return s.makeRoom(t, r, limit)
	})
	if err != nil {
		return err
	}
	r.Version = version
	return nil
}

func (s *tokens) lockUser(t tx, r *token.Record, limit token.Limit) error {
	if limit.Max <= 0 {
		return nil
	}
	if _, err := t.exec(s.lock, s.dialect.Bytes(r.User)); err != nil {
		return fmt.Errorf("lock tokens of a user: %w", err)
	}
	return nil
}

// makeRoom checks that r, which is stored already, is within the limit. It deletes the oldest tokens if limit.Evict is set.
func (s *tokens) makeRoom(t tx, r *token.Record, limit token.Limit) error {
	if limit.Max <= 0 {
		return nil
	}
	text := s.dialect.Bytes
	var n int
	if err := t.queryRow(s.count, text(r.User), text(string(r.Kind)), limit.Now, r.ID[:]).Scan(&n); err != nil {
		return fmt.Errorf("count tokens: %w", err)
	}
	surplus := n - limit.Max + 1
	switch {
	case surplus <= 0:
		return nil
	case !limit.Evict:
		return token.ErrLimit
	}
	if _, err := t.exec(s.evict, text(r.User), text(string(r.Kind)), limit.Now, r.ID[:], surplus); err != nil {
		return fmt.Errorf("end oldest tokens: %w", err)
	}
	return nil
}

func (s *tokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	r, err := one(ctx, s.dialect, s.load, scanToken, token.ErrNotFound, id[:])
	if err != nil {
		return nil, fmt.Errorf("load token: %w", err)
	}
	if r.ID != id {
		return nil, errors.New("load token: the database returned another token")
	}
	return r, nil
}

func (s *tokens) Replace(ctx context.Context, old, new *token.Record) error {
	version := newVersion()
	values, err := s.values(new, version)
	if err != nil {
		return err
	}
	err = s.dialect.transaction(ctx, s.write, func(t tx) error {
		n, err := t.exec(s.replace, append(values[2:], old.ID[:], old.Version)...)
		if err != nil {
			return fmt.Errorf("replace token: %w", err)
		}
		if n == 0 {
			return s.replaceError(t, old.ID)
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
func (s *tokens) replaceError(t tx, id token.ID) error {
	var one int
	err := t.queryRow(s.exists, id[:]).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return token.ErrNotFound
	case err != nil:
		return fmt.Errorf("replace token: %w", err)
	}
	return token.ErrConflict
}

func (s *tokens) Touch(ctx context.Context, uses []token.LastUse) error {
	if len(uses) == 0 {
		return ctx.Err()
	}
	// All batches use the order of IDs, so that two never wait for each other.
	uses = slices.Clone(uses)
	slices.SortStableFunc(uses, func(a, b token.LastUse) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return s.dialect.transaction(ctx, s.write, func(t tx) error {
		for _, use := range uses {
			if _, err := t.exec(s.touch, use.ID[:], use.At); err != nil {
				return fmt.Errorf("touch token: %w", err)
			}
		}
		return nil
	})
}

func (s *tokens) Delete(ctx context.Context, id token.ID) error {
	delete := func() error {
		_, err := s.delete.ExecContext(ctx, id[:])
		return err
	}
	// Repeating is right whether or not the statement was done before the connection was lost.
	if err := resilience.Retry(ctx, s.dialect.Lost, delete); err != nil {
		return fmt.Errorf("delete token: %w", err)
	}
	return nil
}

func (s *tokens) DeleteUser(ctx context.Context, user string, kinds ...token.Kind) (int, error) {
	n, err := s.DeleteUsers(ctx, []string{user}, kinds...)
	return n[user], err
}

func (s *tokens) List(ctx context.Context, q token.Query) ([]*token.Record, error) {
	query, args := s.listing(q)
	found, err := all(ctx, s.dialect, func() (*sql.Rows, error) { return s.read.QueryContext(ctx, s.dialect.Named(query), args...) }, scanToken)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return found, nil
}

func (s *tokens) listing(q token.Query) (query string, args []any) {
	l := listing{dialect: s.dialect}
	l.condition("user_id =", q.User)
	l.condition("kind =", string(q.Kind))
	l.condition("public_id =", q.PublicID)
	l.condition("public_id >", q.After)
	return `SELECT ` + tokenColumns + ` FROM tokens` + l.text(q.Limit), l.args
}

func (s *tokens) DeleteExpired(ctx context.Context, now int64, limit int) (int, error) {
	n, err := affected(s.deleteExpired.ExecContext(ctx, now, max(limit, 0)))
	if err != nil {
		return 0, fmt.Errorf("delete expired tokens: %w", err)
	}
	return n, nil
}

// ImportToken implements [store.Importer].
func (a *accounts) ImportToken(ctx context.Context, r *token.Record, dry bool) (added bool, err error) {
	version := newVersion()
	values, err := a.tokens.values(r, version)
	if err != nil {
		return false, err
	}
	err = a.dialect.transaction(ctx, a.write, func(t tx) error {
		if dry {
			noted := false
			err := t.queryRow(a.tokens.noted, r.ID[:]).Scan(&noted)
			added = !noted
			return err
		}
		n, err := t.exec(a.tokens.note, r.ID[:])
		if err == nil && n > 0 {
			n, err = t.exec(a.tokens.create, values...)
		}
		added = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("import token: %w", err)
	}
	if added && !dry {
		r.Version = version
	}
	return added, nil
}

// values returns a record's fields in the order of tokenColumns.
func (s *tokens) values(r *token.Record, version string) ([]any, error) {
	text := s.dialect.Bytes
	scopes := []byte{}
	if len(r.Scopes) > 0 {
		var err error
		if scopes, err = json.Marshal(r.Scopes); err != nil {
			return nil, fmt.Errorf("encode scopes: %w", err)
		}
	}
	return []any{r.ID[:], text(r.PublicID), text(r.User), text(r.Epoch), text(string(r.Kind)), text(r.Name), scopes,
		r.Created, r.Used, r.Expires, text(r.IP), text(r.Agent), bytesOrEmpty(r.Data), version}, nil
}

func scanToken(row scanner) (*token.Record, error) {
	var r token.Record
	var id, scopes []byte
	err := row.Scan(&id, &r.PublicID, &r.User, &r.Epoch, &r.Kind, &r.Name, &scopes,
		&r.Created, &r.Used, &r.Expires, &r.IP, &r.Agent, &r.Data, &r.Version)
	if err != nil {
		return nil, err
	}
	if len(id) != len(r.ID) {
		return nil, fmt.Errorf("stored token ID has %d bytes", len(id))
	}
	r.ID = token.ID(id)
	if err := names(scopes, &r.Scopes); err != nil {
		return nil, fmt.Errorf("read the scopes of token %s: %w", r.PublicID, err)
	}
	return &r, nil
}

package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/federation"
)

type grants struct {
	dialect Dialect

	put, swap, remove, list, ofUser, due *statement
	get                                  rowQuery
}

const grantColumns = `session, pending, user_id, issuer, box, version, lease, due, ended`

func newGrants(p *queries) *grants {
	return &grants{
		dialect: p.dialect,

		put: p.writing(`INSERT INTO link_grants (` + grantColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`),
		get: p.row(`SELECT ` + grantColumns + ` FROM link_grants WHERE session = $1`),
		swap: p.writing(`UPDATE link_grants SET session = $1, pending = $2, user_id = $3, issuer = $4, box = $5, version = $6, lease = $7, due = $8, ended = $9
			WHERE session = $10 AND version = $11 AND NOT EXISTS (SELECT 1 FROM link_grants WHERE session = $1 AND session <> $10)`),
		remove: p.writing(`DELETE FROM link_grants WHERE session = $1 AND version = $2`),
		list:   p.reading(`SELECT ` + grantColumns + ` FROM link_grants WHERE session > $1 ORDER BY session LIMIT $2`),
		ofUser: p.reading(`SELECT ` + grantColumns + ` FROM link_grants WHERE user_id = $1 AND session > $2 ORDER BY session LIMIT $3`),
		due:    p.reading(`SELECT ` + grantColumns + ` FROM link_grants WHERE due <= $1 ORDER BY due, session LIMIT $2`),
	}
}

func scanGrant(row scanner) (*federation.Grant, error) {
	var g federation.Grant
	err := row.Scan(&g.Session, &g.Pending, &g.User, &g.Issuer, &g.Box, &g.Version, &g.Lease, &g.Due, &g.Ended)
	return &g, err
}

func (s *grants) values(g *federation.Grant) []any {
	text := s.dialect.Bytes
	return []any{text(g.Session), g.Pending, text(g.User), text(g.Issuer), bytesOrEmpty(g.Box), g.Version, g.Lease, g.Due, g.Ended}
}

func (s *grants) Put(ctx context.Context, g *federation.Grant) error {
	n, err := affected(s.put.ExecContext(ctx, s.values(g)...))
	if err != nil {
		return fmt.Errorf("add grant: %w", err)
	}
	if n == 0 {
		return federation.ErrGrantExists
	}
	return nil
}

func (s *grants) Get(ctx context.Context, session string) (*federation.Grant, error) {
	g, err := one(ctx, s.dialect, s.get, scanGrant, federation.ErrNoGrant, s.dialect.Bytes(session))
	if err != nil {
		return nil, fmt.Errorf("find grant: %w", err)
	}
	return g, nil
}

func (s *grants) Swap(ctx context.Context, old, new *federation.Grant) error {
	n, err := affected(s.swap.ExecContext(ctx, append(s.values(new), s.dialect.Bytes(old.Session), old.Version)...))
	if err != nil {
		return fmt.Errorf("change grant: %w", err)
	}
	if n == 0 {
		return federation.ErrGrantChanged
	}
	return nil
}

func (s *grants) Delete(ctx context.Context, g *federation.Grant) error {
	n, err := affected(s.remove.ExecContext(ctx, s.dialect.Bytes(g.Session), g.Version))
	if err != nil {
		return fmt.Errorf("delete grant: %w", err)
	}
	if n == 0 {
		return federation.ErrGrantChanged
	}
	return nil
}

func (s *grants) List(ctx context.Context, user, after string, limit int) ([]*federation.Grant, error) {
	text := s.dialect.Bytes
	list, err := all(ctx, s.dialect, func() (*sql.Rows, error) {
		if user == "" {
			return s.list.QueryContext(ctx, text(after), max(limit, 0))
		}
		return s.ofUser.QueryContext(ctx, text(user), text(after), max(limit, 0))
	}, scanGrant)
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	return list, nil
}

func (s *grants) Due(ctx context.Context, now int64, limit int) ([]*federation.Grant, error) {
	list, err := all(ctx, s.dialect, func() (*sql.Rows, error) { return s.due.QueryContext(ctx, now, max(limit, 0)) }, scanGrant)
	if err != nil {
		return nil, fmt.Errorf("list grants that are due: %w", err)
	}
	return list, nil
}

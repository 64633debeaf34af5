package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

func (a *accounts) Groups(ctx context.Context) ([]account.Group, error) {
	if a.schema.groups == "" {
		return nil, ctx.Err()
	}
	list := a.list(`SELECT ` + permissionName + ` JOIN auth_group_permissions gp ON gp.permission_id = p.id WHERE gp.group_id = g.id`)
	found, err := all(ctx, a.read, func(rows *sql.Rows) (g account.Group, err error) {
		var permissions []byte
		if err := rows.Scan(&g.Name, &permissions); err != nil {
			return g, err
		}
		return g, unmarshalLists([3][]byte{permissions}, &g.Permissions)
	}, `SELECT g.name, `+list+` FROM auth_group g`)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	slices.SortFunc(found, func(a, b account.Group) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return found, nil
}

func (a *accounts) SetGroup(ctx context.Context, g account.Group) error {
	if a.schema.groups == "" {
		return errors.New("no groups here: the tables of django.contrib.auth are missing")
	}
	return a.transaction(ctx, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `INSERT INTO auth_group (name) VALUES ($1) ON CONFLICT DO NOTHING`, g.Name); err != nil {
			return fmt.Errorf("set group: %w", err)
		}
		id, err := a.number(ctx, t, account.ErrNotFound, `SELECT id FROM auth_group WHERE name = $1`+a.dialect.lock, g.Name)
		if err != nil {
			return fmt.Errorf("set group: %w", err)
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM auth_group_permissions WHERE group_id = $1`, id); err != nil {
			return fmt.Errorf("set group: %w", err)
		}
		permissions := slices.Clone(g.Permissions)
		slices.Sort(permissions)
		for _, name := range slices.Compact(permissions) {
			n, err := a.permission(ctx, t, name)
			if err != nil {
				return err
			}
			if _, err := t.ExecContext(ctx, `INSERT INTO auth_group_permissions (group_id, permission_id) VALUES ($1, $2)`, id, n); err != nil {
				return fmt.Errorf("give permission to group: %w", err)
			}
		}
		return nil
	})
}

func (a *accounts) DeleteGroup(ctx context.Context, name string) error {
	if a.schema.groups == "" {
		return account.ErrNotFound
	}
	err := a.attempt(ctx, func(t *sql.Tx) error {
		id, err := a.number(ctx, t, account.ErrNotFound, `SELECT id FROM auth_group WHERE name = $1`+a.dialect.lock, name)
		if err != nil {
			return err
		}
		for _, table := range []string{"auth_group_permissions", a.schema.groups} {
			if _, err := t.ExecContext(ctx, `DELETE FROM `+quote(table)+` WHERE group_id = $1`, id); err != nil {
				return fmt.Errorf("delete group: %w", err)
			}
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM auth_group WHERE id = $1`, id); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
		return nil
	})
	return a.explainedDeletion(ctx, err, "group")
}

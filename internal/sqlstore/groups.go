package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/account"
)

type groups struct {
	all                            *statement
	put, delete                    *statement
	addPermission, dropPermissions *statement
}

func newGroups(p *preparer) groups {
	return groups{
		all: p.reading(`SELECT g.name, (SELECT ` + p.dialect.JSONArray + `(item) FROM
			(SELECT permission AS item FROM group_permissions WHERE group_id = g.id ORDER BY 1) AS items)
			FROM groups g ORDER BY g.name`),

		// The update changes nothing, but makes RETURNING return a group that is there.
		put: p.writing(`INSERT INTO groups (name) VALUES ($1)
			ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id`),
		delete:          p.writing(`DELETE FROM groups WHERE name = $1`),
		addPermission:   p.writing(`INSERT INTO group_permissions (group_id, permission) VALUES ($1, $2)`),
		dropPermissions: p.writing(`DELETE FROM group_permissions WHERE group_id = $1`),
	}
}

func (a *accounts) Groups(ctx context.Context) ([]account.Group, error) {
	query := func() (*sql.Rows, error) { return a.groups.all.QueryContext(ctx) }
	found, err := all(ctx, a.dialect, query, scanGroup)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return found, nil
}

func scanGroup(row scanner) (g account.Group, err error) {
	var permissions []byte
	if err := row.Scan(&g.Name, &permissions); err != nil {
		return g, err
	}
	err = names(permissions, &g.Permissions)
	return g, err
}

func (a *accounts) SetGroup(ctx context.Context, g account.Group) error {
	return a.dialect.transaction(ctx, a.write, func(t tx) error {
		var id int64
		if err := t.queryRow(a.groups.put, g.Name).Scan(&id); err != nil {
			return fmt.Errorf("set group: %w", err)
		}
		if _, err := t.exec(a.groups.dropPermissions, id); err != nil {
			return fmt.Errorf("set group: %w", err)
		}
		for _, permission := range set(g.Permissions) {
			if _, err := t.exec(a.groups.addPermission, id, permission); err != nil {
				return fmt.Errorf("give permission to group: %w", err)
			}
		}
		return nil
	})
}

func (a *accounts) DeleteGroup(ctx context.Context, name string) error {
	if !a.dialect.holds(name) {
		return account.ErrNotFound
	}
	n, err := affected(a.groups.delete.ExecContext(ctx, name))
	if err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	if n == 0 {
		return account.ErrNotFound
	}
	return nil
}

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cloakroom-auth/cloakroom/account"
)

type groups struct {
	all                           *statement
	one, create, delete           *statement // in write
	addPermission, dropPermission *statement // of the group with a name
}

func newGroups(p *queries) groups {
	group := `SELECT g.name, (SELECT ` + p.dialect.JSONArray(`item`) + ` FROM
		(SELECT permission AS item FROM group_permissions WHERE group_id = g.id ORDER BY 1) AS items) FROM groups g`
	return groups{
		all:            p.reading(group + ` ORDER BY g.name`),
		one:            p.writing(group + ` WHERE g.name = $1`),
		create:         p.writing(`INSERT INTO groups (name) VALUES ($1) ON CONFLICT DO NOTHING`),
		delete:         p.writing(`DELETE FROM groups WHERE name = $1`),
		addPermission:  p.writing(`INSERT INTO group_permissions (group_id, permission) SELECT id, $2 FROM groups WHERE name = $1`),
		dropPermission: p.writing(`DELETE FROM group_permissions WHERE permission = $2 AND group_id = (SELECT id FROM groups WHERE name = $1)`),
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
	return a.Transact(ctx, func(t account.Tx) error {
		err := t.ChangeGroup(g)
		if errors.Is(err, account.ErrNotFound) {
			return t.CreateGroup(g)
		}
		return err
	})
}

func (a *accounts) DeleteGroup(ctx context.Context, name string) error {
	return a.Transact(ctx, func(t account.Tx) error { return t.DeleteGroup(name) })
}

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
	found, err := queryAll(ctx, a.read, func(rows *sql.Rows) (g account.Group, err error) {
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

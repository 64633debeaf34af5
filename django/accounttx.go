package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Transact runs one such step at a time among Cloakroom's nodes. Django doesn't take the advisory lock, but loading a user
// here locks the row and its groups, and Django's admin also starts a change of a user or group with that row.
func (a *accounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	deleted := ""
	err := a.attempt(ctx, func(t *sql.Tx) error {
		if a.dialect.lockRights != "" {
			if _, err := t.ExecContext(ctx, a.dialect.lockRights); err != nil {
				return fmt.Errorf("lock users and groups: %w", err)
			}
		}
		return do(accountTx{a, ctx, t, &deleted})
	})
	if deleted != "" {
		return a.explainedDeletion(ctx, err, deleted)
	}
	return a.explained(ctx, err)
}

// accountTx implements account.Tx.
type accountTx struct {
	*accounts
	ctx context.Context
	tx  *sql.Tx

	deleted *string // "user" or "group" if do has deleted one; "" otherwise
}

func (t accountTx) Load(id string) (*account.User, error) { return t.locked(t.ctx, t.tx, id) }

func (t accountTx) Create(u *account.User) error {
	id, err := t.create(t.ctx, t.tx, u)
	if err != nil {
		return err
	}
	u.ID, u.Epoch = id, authHash(t.form.keys[0], u.Password)
	return nil
}

func (t accountTx) Change(u *account.User) error {
	before, err := t.locked(t.ctx, t.tx, u.ID)
	if err != nil {
		return err
	}
	_, err = t.changeLocked(t.ctx, t.tx, before, func(next *account.User) error {
		*next = *u
		return nil
	})
	return err
}

func (t accountTx) Delete(id string) error {
	*t.deleted = "user"
	return t.remove(t.ctx, t.tx, id)
}

func (t accountTx) SetReset(id string, secretHash [32]byte, expires int64) error {
	return t.setReset(t.ctx, t.tx, id, secretHash, expires)
}

func (t accountTx) Reset(id string, now int64) (secretHash [32]byte, expires int64, err error) {
	return t.resetOf(t.ctx, t.tx, id, now)
}

// SpendLink returns account.UnsupportedErrors.SpendLink.
func (t accountTx) SpendLink(string, account.SignUpByLink) error {
	return account.UnsupportedErrors.SpendLink
}

// groupID returns the ID of a group and locks its row until the transaction ends.
func (t accountTx) groupID(name string) (int64, error) {
	if t.schema.groups == "" || !isText(name) {
		return 0, account.ErrNotFound
	}
	return t.number(t.ctx, t.tx, account.ErrNotFound, `SELECT id FROM auth_group WHERE name = $1`+t.dialect.lock, name)
}

func (t accountTx) Group(name string) (account.Group, error) {
	id, err := t.groupID(name)
	if err != nil {
		return account.Group{}, err
	}
	permissions, err := t.permissionsOf(id)
	return account.Group{Name: name, Permissions: permissions}, err
}

func (t accountTx) permissionsOf(group int64) ([]string, error) {
	found, err := queryAll(t.ctx, t.tx, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, `SELECT `+permissionName+` JOIN auth_group_permissions gp ON gp.permission_id = p.id WHERE gp.group_id = $1`, group)
	if err != nil {
		return nil, fmt.Errorf("read the permissions of a group: %w", err)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func (t accountTx) CreateGroup(g account.Group) error {
	if t.schema.groups == "" {
		return errors.New("groups are not available: the tables of django.contrib.auth are missing")
	}
	n, err := affected(t.tx.ExecContext(t.ctx, `INSERT INTO auth_group (name) VALUES ($1) ON CONFLICT DO NOTHING`, g.Name))
	if err != nil {
		return fmt.Errorf("create group: %w", err)
	}
	if n == 0 {
		return account.ErrGroupExists
	}
	return t.ChangeGroup(g)
}

// ChangeGroup writes only the differences, so that a permission that Django removes at the same time stays removed.
func (t accountTx) ChangeGroup(g account.Group) error {
	id, err := t.groupID(g.Name)
	if err != nil {
		return err
	}
	before, err := t.permissionsOf(id)
	if err != nil {
		return err
	}
	for _, name := range before {
		if slices.Contains(g.Permissions, name) {
			continue
		}
		// Two permissions in Django may have the same name here, which is the app's label and the codename.
		_, err := t.tx.ExecContext(t.ctx, `DELETE FROM auth_group_permissions WHERE group_id = $1 AND permission_id IN (SELECT p.id
			FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id WHERE c.app_label || '.' || p.codename = $2)`, id, name)
		if err != nil {
			return fmt.Errorf("remove permission from group: %w", err)
		}
	}
	after := slices.Sorted(slices.Values(g.Permissions))
	for _, name := range slices.Compact(after) {
		if slices.Contains(before, name) {
			continue
		}
		n, err := t.permission(t.ctx, t.tx, name)
		if err != nil {
			return err
		}
		if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO auth_group_permissions (group_id, permission_id) VALUES ($1, $2)`, id, n); err != nil {
			return fmt.Errorf("add permission to group: %w", err)
		}
	}
	return nil
}

func (t accountTx) DeleteGroup(name string) error {
	*t.deleted = "group"
	id, err := t.groupID(name)
	if err != nil {
		return err
	}
	for _, table := range []string{"auth_group_permissions", t.schema.groups} {
		if _, err := t.tx.ExecContext(t.ctx, `DELETE FROM `+quote(table)+` WHERE group_id = $1`, id); err != nil {
			return fmt.Errorf("delete group: %w", err)
		}
	}
	if _, err := t.tx.ExecContext(t.ctx, `DELETE FROM auth_group WHERE id = $1`, id); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	return nil
}

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Transact runs one transaction at a time, and none beside a write to groups, because the rights of the acting user may come
// from any group. Users are locked as they are loaded.
func (a *accounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	deleted := ""
	err := a.dialect.transaction(ctx, a.write, func(t tx) error {
		if _, err := t.exec(a.lockRights); err != nil {
			return fmt.Errorf("lock groups: %w", err)
		}
		return do(accountTx{a, t, &deleted, map[string]*account.User{}})
	})
	if deleted != "" {
		return a.explainDeletion(err, deleted)
	}
	return err
}

// accountTx is an account.Tx.
type accountTx struct {
	*accounts
	tx tx

	deleted *string // "user" or "group" if do has deleted one; "" otherwise

	loaded map[string]*account.User // users that are locked and as they were read, by ID
}

func (t accountTx) Load(id string) (*account.User, error) {
	n, ok := number(id)
	if !ok {
		return nil, account.ErrNotFound
	}
	u, err := t.loadLocked(t.tx, n)
	if err != nil {
		return nil, err
	}
	t.loaded[id] = copyUser(u)
	return u, nil
}

func (t accountTx) LoadEach(ids []string) (map[string]*account.User, error) {
	var numbers []any
	for _, id := range ids {
		if n, ok := number(id); ok {
			numbers = append(numbers, n)
		}
	}
	found, err := t.loadEachLocked(t.tx, numbers)
	if err != nil {
		return nil, fmt.Errorf("load users: %w", err)
	}
	users := map[string]*account.User{}
	for _, u := range found {
		users[u.ID], t.loaded[u.ID] = u, copyUser(u)
	}
	return users, nil
}

func (t accountTx) Disable(users []*account.User) error {
	var numbers []any
	var epochs []string
	for _, u := range users {
		n, ok := number(u.ID)
		if !ok {
			return account.ErrNotFound
		}
		delete(t.loaded, u.ID)
		numbers, epochs = append(numbers, n), append(epochs, u.Epoch)
	}
	return t.disable(t.tx, numbers, epochs)
}

func (t accountTx) Create(u *account.User) (err error) {
	u.ID, err = t.insert(t.tx, u)
	return err
}

func (t accountTx) Change(u *account.User) error {
	n, ok := number(u.ID)
	if !ok {
		return account.ErrNotFound
	}
	before := t.loaded[u.ID]
	if before == nil {
		var err error
		if before, err = t.loadLocked(t.tx, n); err != nil {
			return err
		}
	}
	delete(t.loaded, u.ID)
	return t.update(t.tx, n, before, u)
}

func (t accountTx) Delete(id string) error {
	*t.deleted = "user"
	delete(t.loaded, id)
	return t.remove(t.tx, id)
}

func (t accountTx) SetReset(id string, secretHash [32]byte, expires int64) error {
	return t.setReset(t.tx, id, secretHash, expires)
}

func (t accountTx) Reset(id string, now int64) (secretHash [32]byte, expires int64, err error) {
	return t.resetOf(t.tx, id, now)
}

func (t accountTx) Group(name string) (account.Group, error) {
	if !t.dialect.holds(name) {
		return account.Group{}, account.ErrNotFound
	}
	g, err := scanGroup(t.tx.queryRow(t.groups.one, name))
	if errors.Is(err, sql.ErrNoRows) {
		return account.Group{}, account.ErrNotFound
	}
	if err != nil {
		return account.Group{}, fmt.Errorf("load group: %w", err)
	}
	return g, nil
}

func (t accountTx) CreateGroup(g account.Group) error {
	n, err := t.tx.exec(t.groups.create, g.Name)
	if err != nil {
		return fmt.Errorf("create group: %w", err)
	}
	if n == 0 {
		return account.ErrGroupExists
	}
	return t.permit(g.Name, nil, set(g.Permissions))
}

func (t accountTx) ChangeGroup(g account.Group) error {
	before, err := t.Group(g.Name)
	if err != nil {
		return err
	}
	return t.permit(g.Name, before.Permissions, set(g.Permissions))
}

// permit gives a group that has some permissions exactly these.
func (t accountTx) permit(group string, before, after []string) error {
	for _, permission := range before {
		if slices.Contains(after, permission) {
			continue
		}
		if _, err := t.tx.exec(t.groups.dropPermission, group, permission); err != nil {
			return fmt.Errorf("take permission from group: %w", err)
		}
	}
	for _, permission := range after {
		if slices.Contains(before, permission) {
			continue
		}
		if _, err := t.tx.exec(t.groups.addPermission, group, permission); err != nil {
			return fmt.Errorf("give permission to group: %w", err)
		}
	}
	return nil
}

func (t accountTx) DeleteGroup(name string) error {
	if !t.dialect.holds(name) {
		return account.ErrNotFound
	}
	*t.deleted = "group"
	clear(t.loaded) // its members have lost it
	n, err := t.tx.exec(t.groups.delete, name)
	if err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	if n == 0 {
		return account.ErrNotFound
	}
	return nil
}

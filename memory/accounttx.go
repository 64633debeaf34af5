package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

func (a *accounts) Transact(ctx context.Context, do func(tx account.Tx) error) (err error) {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	users, owners, groups, resets, last := maps.Clone(a.users), maps.Clone(a.owners), maps.Clone(a.groups), maps.Clone(a.resets), a.last
	kept, joined := false, &joined{}
	defer func() {
		if !kept {
			a.users, a.owners, a.groups, a.resets, a.last = users, owners, groups, resets, last
		}
		joined.end(kept)
	}()
	if err := do(accountTx{a, joined}); err != nil {
		return err
	}
	kept = true
	return nil
}

// accountTx is an account.Tx on accounts whose mutex the caller holds. Values in the maps are replaced, never changed, so that
// restoring copies of the maps rolls back.
type accountTx struct {
	a      *accounts
	joined *joined
}

func (t accountTx) Load(id string) (*account.User, error) { return t.a.load(id) }

func (t accountTx) LoadEach(ids []string) (map[string]*account.User, error) {
	users := map[string]*account.User{}
	for _, id := range ids {
		if u, err := t.a.load(id); err == nil {
			users[id] = u
		}
	}
	return users, nil
}

func (t accountTx) Disable(users []*account.User) error {
	for _, u := range users {
		_, err := t.a.change(u.ID, func(next *account.User) error {
			next.IsActive, next.Epoch = false, u.Epoch
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t accountTx) Create(u *account.User) error { return t.a.create(u) }

func (t accountTx) Change(u *account.User) error {
	_, err := t.a.change(u.ID, func(next *account.User) error {
		*next = *u
		return nil
	})
	return err
}

func (t accountTx) Delete(id string) error { return t.a.delete(id) }

func (t accountTx) SetReset(id string, secretHash [32]byte, expires int64) error {
	return t.a.setReset(id, secretHash, expires)
}

func (t accountTx) Reset(id string, now int64) (secretHash [32]byte, expires int64, err error) {
	r, there := t.a.resets[id]
	if !there {
		return secretHash, 0, account.SpentErrors.Reset
	}
	if _, err := t.a.findReset(r.hash, now); err != nil {
		return secretHash, 0, err
	}
	return r.hash, r.expires, nil
}

func (t accountTx) Group(name string) (account.Group, error) {
	permissions, ok := t.a.groups[name]
	if !ok {
		return account.Group{}, account.ErrNotFound
	}
	return account.Group{Name: name, Permissions: slices.Clone(permissions)}, nil
}

func (t accountTx) CreateGroup(g account.Group) error {
	if _, there := t.a.groups[g.Name]; there {
		return account.ErrGroupExists
	}
	t.a.groups[g.Name] = set(g.Permissions)
	return nil
}

func (t accountTx) ChangeGroup(g account.Group) error {
	if _, there := t.a.groups[g.Name]; !there {
		return account.ErrNotFound
	}
	t.a.groups[g.Name] = set(g.Permissions)
	return nil
}

func (t accountTx) DeleteGroup(name string) error { return t.a.deleteGroup(name) }

package nearcache

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// accounts is an account.Store and an account.Viewer. Methods that it doesn't define go straight to the store.
type accounts struct {
	account.Store
	view  view[string, account.User]
	cache *Cache
}

// Accounts returns the store behind a cache. It is an [account.Viewer] too. Absence isn't cached, because an ID can be known
// before its user exists.
func (c *Cache) Accounts(store account.Store) account.Store {
	a := &accounts{Store: store, cache: c}
	a.view = view[string, account.User]{
		cache: c, kind: fence.Account,
		present: newTable[account.User](fence.Account, &c.tombstones, c.limit/4),
		load:    store.Load, notFound: account.ErrNotFound,
		sum:  fence.UserSum,
		id:   func(u *account.User) string { return u.ID },
		copy: func(u *account.User) (account.User, int) { return copied(u), size(u) },
	}
	c.dropAccount = a.view.drop
	return a
}

func accountKey(id string) fence.Key { return fence.Key{Kind: fence.Account, Sum: fence.UserSum(id)} }

// View implements account.Viewer.
func (a *accounts) View(ctx context.Context, id string) (*account.User, error) {
	return a.view.get(ctx, id, 0)
}

func copied(u *account.User) account.User {
	kept := *u
	kept.Groups, kept.UserPermissions, kept.Permissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions), slices.Clone(u.Permissions)
	return kept
}

func size(u *account.User) int {
	n := int(unsafe.Sizeof(entry[account.User]{})) + slotBytes
	for _, text := range []string{u.ID, u.Username, u.Email, u.FirstName, u.LastName, u.Password, u.Epoch} {
		n += len(text)
	}
	for _, list := range [][]string{u.Groups, u.UserPermissions, u.Permissions} {
		for _, name := range list {
			n += len(name) + int(unsafe.Sizeof(name))
		}
	}
	return n
}

// errFence says that a change must be fenced, before anything of it has been written.
var errFence = errors.New("this change must be fenced")

// Change is fenced unless it only notes a sign-in, which takes nothing away and happens all the time. What it is can't be
// known before it is done, so it is begun without a fence, and begun again behind one if need be. A change of nothing is
// fenced, too: what it asks for may be another's doing, who is not through yet.
func (a *accounts) Change(ctx context.Context, id string, change func(*account.User) error) (u *account.User, err error) {
	k := accountKey(id)
	u, err = a.Store.Change(ctx, id, func(u *account.User) error {
		before := copied(u)
		if err := change(u); err != nil {
			return err
		}
		if !notesSignIn(before, *u) {
			return errFence
		}
		return nil
	})
	if !errors.Is(err, errFence) {
		a.cache.forget(k)
		return u, err
	}
	return a.fenced(ctx, k, func(ctx context.Context) (*account.User, error) { return a.Store.Change(ctx, id, change) })
}

// SpendReset is always fenced. Whose secret it is can't be known before the store is asked, so it is begun without a
// fence and refused, which spends nothing, and begun again behind one.
func (a *accounts) SpendReset(
	ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error,
) (u *account.User, err error) {
	var k fence.Key
	u, err = a.Store.SpendReset(ctx, secretHash, now, func(u *account.User) error {
		k = accountKey(u.ID)
		if err := change(u); err != nil {
			return err
		}
		return errFence
	})
	if !errors.Is(err, errFence) {
		return u, err
	}
	return a.fenced(ctx, k, func(ctx context.Context) (*account.User, error) {
		return a.Store.SpendReset(ctx, secretHash, now, change)
	})
}

// fenced changes a user behind a fence. Whoever gets an error gets no user.
func (a *accounts) fenced(
	ctx context.Context, k fence.Key, change func(context.Context) (*account.User, error),
) (*account.User, error) {
	var changed *account.User
	err := a.cache.validator.Write(ctx, []fence.Key{k}, func(ctx context.Context) (err error) {
		changed, err = change(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// notesSignIn reports whether a change is one of LastLogin alone.
func notesSignIn(before, after account.User) bool {
	if before.LastLogin == after.LastLogin {
		return false
	}
	before.LastLogin = after.LastLogin
	return reflect.DeepEqual(before, after)
}

func (a *accounts) Delete(ctx context.Context, id string) error {
	return a.cache.validator.Write(ctx, []fence.Key{accountKey(id)}, func(ctx context.Context) error {
		return a.Store.Delete(ctx, id)
	})
}

// Transact is fenced if it changes what may be cached. What it does can't be known before it is done, so
// it is begun without a fence and undone, and begun again behind one; and once more if it does something else then.
func (a *accounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	var fenced []fence.Key
	run := func(ctx context.Context) error {
		var changed []fence.Key
		err := a.Store.Transact(ctx, func(tx account.Tx) error {
			watched := &watchedTx{Tx: tx}
			if err := do(watched); err != nil {
				return err
			}
			if changed = watched.keys; !covers(fenced, changed) {
				return errFence
			}
			return nil
		})
		if errors.Is(err, errFence) {
			fenced = changed
		}
		return err
	}
	err := run(ctx)
	for errors.Is(err, errFence) && ctx.Err() == nil {
		err = a.cache.validator.Write(ctx, fenced, run)
	}
	return err
}

// covers reports whether all that changed is fenced.
func covers(fenced, changed []fence.Key) bool {
	return !slices.ContainsFunc(changed, func(k fence.Key) bool { return !slices.Contains(fenced, k) })
}

// watchedTx notes what a step changes of what may be cached. That a user or group is new needs no note: absence isn't cached.
type watchedTx struct {
	account.Tx
	keys []fence.Key
}

func (t *watchedTx) note(k fence.Key) {
	if !slices.Contains(t.keys, k) {
		t.keys = append(t.keys, k)
	}
}

func (t *watchedTx) Change(u *account.User) error {
	t.note(accountKey(u.ID))
	return t.Tx.Change(u)
}

func (t *watchedTx) Delete(id string) error {
	t.note(accountKey(id))
	return t.Tx.Delete(id)
}

func (t *watchedTx) ChangeGroup(g account.Group) error {
	t.note(fence.Key{Kind: fence.AllAccounts})
	return t.Tx.ChangeGroup(g)
}

func (t *watchedTx) DeleteGroup(name string) error {
	t.note(fence.Key{Kind: fence.AllAccounts})
	return t.Tx.DeleteGroup(name)
}

func (a *accounts) SetGroup(ctx context.Context, g account.Group) error {
	return a.cache.validator.Write(ctx, []fence.Key{{Kind: fence.AllAccounts}}, func(ctx context.Context) error {
		return a.Store.SetGroup(ctx, g)
	})
}

func (a *accounts) DeleteGroup(ctx context.Context, name string) error {
	return a.cache.validator.Write(ctx, []fence.Key{{Kind: fence.AllAccounts}}, func(ctx context.Context) error {
		return a.Store.DeleteGroup(ctx, name)
	})
}

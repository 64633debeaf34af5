package nearcache

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/account"
)

// accounts is an account.Store and an account.Viewer. What it doesn't mention, the store does alone.
type accounts struct {
	account.Store
	cache   *Cache
	known   *table[account.User]
	flights flights
}

// Accounts returns the store with a memory before it, which is an [account.Viewer] too.
func (c *Cache) Accounts(store account.Store) account.Store {
	a := &accounts{Store: store, cache: c, known: newTable[account.User](anAccount, &c.marks, c.limit/4)}
	c.dropAccount = a.known.drop
	return a
}

// View implements account.Viewer.
func (a *accounts) View(ctx context.Context, id string) (*account.User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u, live := a.remembered(id)
	if u != nil {
		return u, nil
	}
	again := func() (*account.User, error) {
		u, _ := a.remembered(id)
		return u, nil
	}
	load := func() (*account.User, error) { return a.load(ctx, id) }
	return miss(ctx, live, &a.flights, textSum(id), account.ErrNotFound, again, load)
}

func (a *accounts) remembered(id string) (u *account.User, live bool) {
	at, live := a.cache.live()
	if !live {
		return nil, false
	}
	if e := a.known.get(at, textSum(id)); e != nil && e.value.ID == id {
		return &e.value, true
	}
	return nil, true
}

// load asks the store, and keeps whom it finds. That there is nobody isn't kept: an ID can be known before its user is.
func (a *accounts) load(ctx context.Context, id string) (*account.User, error) {
	since := a.cache.now()
	point, ok := a.cache.truth.begin()
	u, err := a.Store.Load(ctx, id)
	if err != nil || !ok {
		return u, err
	}
	a.known.put(a.cache.now(), since, textSum(id), copied(u), size(u), func() bool { return a.cache.truth.same(point) })
	return u, nil
}

func copied(u *account.User) account.User {
	kept := *u
	kept.Groups, kept.Direct, kept.Permissions = slices.Clone(u.Groups), slices.Clone(u.Direct), slices.Clone(u.Permissions)
	return kept
}

func size(u *account.User) int {
	n := int(unsafe.Sizeof(entry[account.User]{})) + slot
	for _, text := range []string{u.ID, u.Username, u.Email, u.FirstName, u.LastName, u.Password, u.Epoch} {
		n += len(text)
	}
	for _, list := range [][]string{u.Groups, u.Direct, u.Permissions} {
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
	k := key{anAccount, textSum(id)}
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
	var k key
	u, err = a.Store.SpendReset(ctx, secretHash, now, func(u *account.User) error {
		k = key{anAccount, textSum(u.ID)}
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
	ctx context.Context, k key, change func(context.Context) (*account.User, error),
) (*account.User, error) {
	var changed *account.User
	err := a.cache.truth.fence(ctx, []key{k}, func(ctx context.Context) (err error) {
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
	return a.cache.truth.fence(ctx, []key{{anAccount, textSum(id)}}, func(ctx context.Context) error {
		return a.Store.Delete(ctx, id)
	})
}

func (a *accounts) SetGroup(ctx context.Context, g account.Group) error {
	return a.cache.truth.fence(ctx, []key{{kind: allAccounts}}, func(ctx context.Context) error {
		return a.Store.SetGroup(ctx, g)
	})
}

func (a *accounts) DeleteGroup(ctx context.Context, name string) error {
	return a.cache.truth.fence(ctx, []key{{kind: allAccounts}}, func(ctx context.Context) error {
		return a.Store.DeleteGroup(ctx, name)
	})
}

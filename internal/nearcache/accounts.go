package nearcache

import (
	"context"
	"errors"
	"slices"
	"unsafe"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/foreseen"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// accounts is an account.Store with a LoadCached. Methods that it doesn't define go straight to the store.
type accounts struct {
	account.Store
	view  view[string, account.User]
	cache *Cache
}

// Accounts returns the store behind a cache. [account.LoadCached] asks the cache. Absence isn't cached, because an ID can be known
// before its user exists.
func (c *Cache) Accounts(store account.Store) account.Store {
	a := &accounts{Store: store, cache: c}
	a.view = view[string, account.User]{
		cache: c, kind: fence.Account,
		present: newTable[account.User](fence.Account, &c.tombstones, c.limit/4),
		load:    store.Load, notFound: account.ErrNotFound,
		sum:  fence.UserSum,
		id:   func(u *account.User) string { return u.ID },
		copy: packed,
	}
	c.accounts, c.dropAccount = a, a.view.drop
	return a
}

func accountKey(id string) fence.Key { return fence.Key{Kind: fence.Account, Sum: fence.UserSum(id)} }

// LoadCached answers account.LoadCached.
func (a *accounts) LoadCached(ctx context.Context, id string) (*account.User, error) {
	return a.view.get(ctx, id, 0)
}

func copied(u *account.User) account.User {
	kept := *u
	kept.Groups, kept.UserPermissions, kept.Permissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions), slices.Clone(u.Permissions)
	return kept
}

// packed returns a copy of the user with its strings in one piece of memory, and its size in bytes.
func packed(u *account.User) (account.User, int) {
	kept := copied(u)
	lists := listed(kept.Groups, kept.UserPermissions, kept.Permissions)
	n := pack(append(lists,
		&kept.ID, &kept.Username, &kept.Email, &kept.EmailProven, &kept.FirstName, &kept.LastName, &kept.Language, &kept.Password, &kept.Epoch,
		&kept.Extra.Public, &kept.Extra.Private,
	)...)
	return kept, int(unsafe.Sizeof(entry[account.User]{})) + slotBytes + n + len(lists)*int(unsafe.Sizeof(""))
}

// errFence ends a transaction that must be fenced before anything of it has been written.
var errFence = errors.New("this change must be fenced")

// NoteSignIn is not fenced: it revokes nothing, and happens at every sign-in. Other nodes learn of it when they read the user
// again.
func (a *accounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	u, err := a.Store.NoteSignIn(ctx, id, s)
	a.cache.forget(accountKey(id))
	return u, err
}

// Change is fenced even if it changes nothing: another call that has not yet returned may have changed the same before.
func (a *accounts) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	return a.fenced(ctx, accountKey(id), func(ctx context.Context) (*account.User, error) {
		return a.Store.Change(ctx, id, change)
	})
}

// SpendReset asks first which user the secret belongs to, and is then fenced for this user alone.
func (a *accounts) SpendReset(
	ctx context.Context, secretHash [32]byte, now int64, change func(*account.User) error,
) (*account.User, error) {
	owner, err := a.Store.FindReset(ctx, secretHash, now)
	if err != nil {
		return nil, err
	}
	return a.fenced(ctx, accountKey(owner.ID), func(ctx context.Context) (*account.User, error) {
		return a.Store.SpendReset(ctx, secretHash, now, func(u *account.User) error {
			if u.ID != owner.ID {
				return account.SpentErrors.Reset
			}
			return change(u)
		})
	})
}

// fenced changes a user behind the fence of a key. With an error it returns no user.
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

func (a *accounts) Delete(ctx context.Context, id string) error {
	return a.cache.validator.Write(ctx, []fence.Key{accountKey(id)}, func(ctx context.Context) error {
		return a.Store.Delete(ctx, id)
	})
}

// Transact is fenced if it changes what may be cached. What it changes is known only after do has run, so it runs first without a
// fence and without those changes, is rolled back, and runs again behind a fence. If it changes something else then, it runs once more.
// If do fails, the changes that were put off are tried all the same, because do may fail only so that they are rolled back: a refusal of
// the store comes first. What is known beforehand is fenced the first time ([foreseen.Users]).
func (a *accounts) Transact(ctx context.Context, do func(account.Tx) error) error {
	var fenced []fence.Key
	var covered map[fence.Key]bool // has the fenced ones
	run := func(ctx context.Context) error {
		var changed []fence.Key
		err := a.Store.Transact(ctx, func(tx account.Tx) error {
			watched := &watchedTx{Tx: tx, fenced: covered, noted: map[fence.Key]bool{}}
			err := do(watched)
			changed = watched.keys
			if err == nil && !covers(covered, changed) || err != nil && watched.complete() != nil {
				return errFence
			}
			return err
		})
		if errors.Is(err, errFence) {
			fenced = changed
		}
		return err
	}
	err := errFence
	for _, id := range foreseen.Users(ctx) {
		fenced = append(fenced, accountKey(id))
	}
	if len(fenced) == 0 {
		err = run(ctx)
	}
	for errors.Is(err, errFence) {
		covered = map[fence.Key]bool{}
		for _, k := range fenced {
			covered[k] = true
		}
		if err = ctx.Err(); err == nil {
			err = a.cache.validator.Write(ctx, fenced, run)
		}
	}
	return err
}

// covers reports whether all changed keys are fenced.
func covers(fenced map[fence.Key]bool, changed []fence.Key) bool {
	return !slices.ContainsFunc(changed, func(k fence.Key) bool { return !fenced[k] })
}

// watchedTx records the keys of what a transaction changes. New users and groups need no key, because absence isn't cached. A change of a
// user who isn't fenced is put off until something is done that may depend on it, and so mostly left out: it would be rolled back, but
// other transactions would wait for it, and the database would keep the dead row.
type watchedTx struct {
	account.Tx
	fenced map[fence.Key]bool
	keys   []fence.Key // each once
	noted  map[fence.Key]bool
	putOff []putOff
}

// putOff is a change of users that was put off.
type putOff struct {
	ids    []string
	change func() error
}

func (t *watchedTx) note(k fence.Key) {
	if !t.noted[k] {
		t.noted[k] = true
		t.keys = append(t.keys, k)
	}
}

func (t *watchedTx) Change(u *account.User) error {
	k := accountKey(u.ID)
	t.note(k)
	if !t.fenced[k] {
		later := copied(u)
		t.putOff = append(t.putOff, putOff{[]string{u.ID}, func() error { return t.Tx.Change(&later) }})
		return nil
	}
	return t.Tx.Change(u)
}

func (t *watchedTx) Disable(users []*account.User) error {
	all := true
	var ids []string
	var later []*account.User
	for _, u := range users {
		k := accountKey(u.ID)
		t.note(k)
		all = all && t.fenced[k]
		kept := copied(u)
		ids, later = append(ids, u.ID), append(later, &kept)
	}
	if !all {
		t.putOff = append(t.putOff, putOff{ids, func() error { return t.Tx.Disable(later) }})
		return nil
	}
	return t.Tx.Disable(users)
}

// complete makes the changes that were put off. If that fails the run ends, and the next one, behind the fence, shows the error where it
// belongs.
func (t *watchedTx) complete() error {
	for _, p := range t.putOff {
		if p.change() != nil {
			return errFence
		}
	}
	t.putOff = nil
	return nil
}

func (t *watchedTx) Load(id string) (*account.User, error) {
	if slices.ContainsFunc(t.putOff, func(p putOff) bool { return slices.Contains(p.ids, id) }) {
		if err := t.complete(); err != nil {
			return nil, err
		}
	}
	return t.Tx.Load(id)
}

func (t *watchedTx) LoadEach(ids []string) (map[string]*account.User, error) {
	if err := t.complete(); err != nil {
		return nil, err
	}
	return t.Tx.LoadEach(ids)
}

func (t *watchedTx) Create(u *account.User) error {
	if err := t.complete(); err != nil {
		return err
	}
	return t.Tx.Create(u)
}

func (t *watchedTx) Reset(id string, now int64) (secretHash [32]byte, expires int64, err error) {
	if err := t.complete(); err != nil {
		return secretHash, 0, err
	}
	return t.Tx.Reset(id, now)
}

func (t *watchedTx) SetReset(id string, secretHash [32]byte, expires int64) error {
	if err := t.complete(); err != nil {
		return err
	}
	return t.Tx.SetReset(id, secretHash, expires)
}

func (t *watchedTx) SpendLink(user string, j account.SignUpByLink) error {
	if err := t.complete(); err != nil {
		return err
	}
	return t.Tx.SpendLink(user, j)
}

func (t *watchedTx) Delete(id string) error {
	t.note(accountKey(id))
	if err := t.complete(); err != nil {
		return err
	}
	return t.Tx.Delete(id)
}

func (t *watchedTx) ChangeGroup(g account.Group) error {
	t.note(fence.Key{Kind: fence.AllAccounts})
	if err := t.complete(); err != nil {
		return err
	}
	return t.Tx.ChangeGroup(g)
}

func (t *watchedTx) DeleteGroup(name string) error {
	t.note(fence.Key{Kind: fence.AllAccounts})
	if err := t.complete(); err != nil {
		return err
	}
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

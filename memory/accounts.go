package memory

import (
	"cmp"
	"context"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
)

type accounts struct {
	mu     guard
	users  map[string]*account.User // by ID; Permissions is empty in these
	owners map[string]string        // IDs by key
	groups map[string][]string      // permissions by name
	last   int                      // the highest ID ever used
	setup  *setup                   // nil: there is none, or it was used
	resets map[string]reset         // by the user's ID

	factors *factors // of the same database
	outbox  *outbox
}

type setup struct {
	hash    [32]byte
	expires int64
}

func newAccounts() *accounts {
	return &accounts{
		users:  map[string]*account.User{},
		owners: map[string]string{},
		groups: map[string][]string{},
		resets: map[string]reset{},
	}
}

func (a *accounts) Create(ctx context.Context, u *account.User) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	return a.create(u)
}

func (a *accounts) CreateFirst(ctx context.Context, u *account.User, secretHash [32]byte, now int64) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	if a.setup == nil || now >= a.setup.expires || len(a.users) > 0 ||
		subtle.ConstantTimeCompare(a.setup.hash[:], secretHash[:]) == 0 {
		return account.SpentErrors.Setup
	}
	if err := a.create(u); err != nil {
		return err
	}
	a.setup = nil
	return nil
}

func (a *accounts) SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	a.setup = &setup{secretHash, expires}
	return nil
}

func (a *accounts) Load(ctx context.Context, id string) (*account.User, error) {
	if err := a.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.RUnlock()
	return a.load(id)
}

// LoadCached answers account.LoadCached. Memory answers at once, so a check needs no time limit.
func (a *accounts) LoadCached(ctx context.Context, id string) (*account.User, error) {
	return a.Load(ctx, id)
}

func (a *accounts) Find(ctx context.Context, key string) (*account.User, error) {
	if err := a.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.RUnlock()
	return a.load(a.owners[key])
}

func (a *accounts) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	if err := a.mu.lock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	return a.change(id, change)
}

func (a *accounts) change(id string, change func(*account.User) error) (*account.User, error) {
	u, err := a.load(id)
	if err != nil {
		return nil, err
	}
	if err := change(u); err != nil {
		return nil, err
	}
	u.ID = id
	if err := a.check(u); err != nil {
		return nil, err
	}
	a.put(u)
	return a.load(id)
}

func (a *accounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	return a.Change(ctx, id, func(u *account.User) error { s.Apply(u); return nil })
}

func (a *accounts) Delete(ctx context.Context, id string) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	return a.delete(id)
}

func (a *accounts) delete(id string) error {
	u, ok := a.users[id]
	if !ok {
		return account.ErrNotFound
	}
	a.disown(u)
	delete(a.users, id)
	delete(a.resets, id)
	return nil
}

func (a *accounts) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	if err := a.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.RUnlock()
	var found []*account.User
	search := account.CanonicalLogin(q.Search)
	for id, u := range a.users {
		member := q.Group == "" || slices.Contains(u.Groups, q.Group)
		if (q.After == "" || compareIDs(id, q.After) > 0) && member && (u.IsSuperuser || !q.Superusers) && matches(u, search) {
			found = append(found, a.copy(u))
		}
	}
	slices.SortFunc(found, func(x, y *account.User) int { return compareIDs(x.ID, y.ID) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, nil
}

// compareIDs orders decimal IDs by value.
func compareIDs(x, y string) int {
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
}

func matches(u *account.User, search string) bool {
	for _, field := range []string{u.Username, u.Email, u.FirstName + " " + u.LastName} {
		if strings.Contains(account.CanonicalLogin(field), search) {
			return true
		}
	}
	return false
}

func (a *accounts) create(u *account.User) error {
	next := *u
	next.ID = strconv.Itoa(a.last + 1)
	if err := a.check(&next); err != nil {
		return err
	}
	a.put(&next)
	a.last++
	u.ID = next.ID
	return nil
}

// check returns an error if u can't be stored under its ID.
func (a *accounts) check(u *account.User) error {
	for _, login := range logins(u) {
		if owner, ok := a.owners[account.CanonicalLogin(login.name)]; ok && owner != u.ID {
			return &account.TakenError{Field: login.field}
		}
	}
	for _, group := range u.Groups {
		if _, ok := a.groups[group]; !ok {
			return account.ErrNotFound
		}
	}
	return nil
}

// login is a name that a user signs in with.
type login struct{ field, name string }

func logins(u *account.User) []login {
	all := []login{{"username", u.Username}}
	if u.Email != "" {
		all = append(all, login{"email", u.Email})
	}
	return all
}

// put stores a copy of u under its ID, and replaces the former user.
func (a *accounts) put(u *account.User) {
	if before, ok := a.users[u.ID]; ok {
		a.disown(before)
	}
	next := *u
	next.Groups, next.UserPermissions, next.Permissions = set(u.Groups), set(u.UserPermissions), nil
	a.users[u.ID] = &next
	for _, login := range logins(&next) {
		a.owners[account.CanonicalLogin(login.name)] = next.ID
	}
}

func (a *accounts) disown(u *account.User) {
	for _, login := range logins(u) {
		delete(a.owners, account.CanonicalLogin(login.name))
	}
}

func (a *accounts) load(id string) (*account.User, error) {
	u, ok := a.users[id]
	if !ok {
		return nil, account.ErrNotFound
	}
	return a.copy(u), nil
}

// copy returns a deep copy of u, with Permissions computed.
func (a *accounts) copy(u *account.User) *account.User {
	next := *u
	next.Groups, next.UserPermissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions)
	all := slices.Clone(u.UserPermissions)
	for _, group := range u.Groups {
		all = append(all, a.groups[group]...)
	}
	next.Permissions = set(all)
	return &next
}

// set returns a sorted copy of the names without duplicates.
func set(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

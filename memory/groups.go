package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
)

func (a *accounts) Groups(ctx context.Context) ([]account.Group, error) {
	if err := a.mu.rlock(ctx); err != nil {
		return nil, err
	}
	defer a.mu.RUnlock()
	var all []account.Group
	for _, name := range slices.Sorted(maps.Keys(a.groups)) {
		all = append(all, account.Group{Name: name, Permissions: slices.Clone(a.groups[name])})
	}
	return all, nil
}

func (a *accounts) SetGroup(ctx context.Context, g account.Group) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	a.groups[g.Name] = set(g.Permissions)
	return nil
}

func (a *accounts) DeleteGroup(ctx context.Context, name string) error {
	if err := a.mu.lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock()
	return a.deleteGroup(name)
}

func (a *accounts) deleteGroup(name string) error {
	if _, ok := a.groups[name]; !ok {
		return account.ErrNotFound
	}
	delete(a.groups, name)
	for id, u := range a.users {
		if slices.Contains(u.Groups, name) {
			next := *u
			next.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(member string) bool { return member == name })
			a.users[id] = &next
		}
	}
	return nil
}

// Package removal deletes from stores, of which some tell whether there was something to delete, and some delete for many users at once.
package removal

import "context"

// Remover is a store that tells what its Delete doesn't: whether there was a record.
type Remover[ID any] interface {
	// Remove is Delete, and reports whether it has removed a record. It may report false although it has; never true if there
	// was none.
	Remove(ctx context.Context, id ID) (removed bool, err error)
}

// Remove removes a record by the Remove of a store, or else by its Delete, and then reports false.
func Remove[ID any](ctx context.Context, store interface {
	Delete(ctx context.Context, id ID) error
}, id ID) (removed bool, err error) {
	if r, ok := store.(Remover[ID]); ok {
		return r.Remove(ctx, id)
	}
	return false, store.Delete(ctx, id)
}

// Sessions removes all sessions of users, and returns how many each had, by the DeleteUsers of a store that has one, or else by its
// DeleteUser. After an error some may be deleted.
func Sessions[ID any](ctx context.Context, store interface {
	DeleteUser(ctx context.Context, user string, except ID) (int, error)
}, users []string) (map[string]int, error) {
	if many, ok := store.(interface {
		DeleteUsers(ctx context.Context, users []string) (map[string]int, error)
	}); ok && len(users) > 1 {
		return many.DeleteUsers(ctx, users)
	}
	var none ID
	return oneByOne(users, func(user string) (int, error) { return store.DeleteUser(ctx, user, none) })
}

// Tokens is Sessions for tokens of these kinds or, without kinds, of all.
func Tokens[Kind any](ctx context.Context, store interface {
	DeleteUser(ctx context.Context, user string, kinds ...Kind) (int, error)
}, users []string, kinds ...Kind) (map[string]int, error) {
	if many, ok := store.(interface {
		DeleteUsers(ctx context.Context, users []string, kinds ...Kind) (map[string]int, error)
	}); ok && len(users) > 1 {
		return many.DeleteUsers(ctx, users, kinds...)
	}
	return oneByOne(users, func(user string) (int, error) { return store.DeleteUser(ctx, user, kinds...) })
}

func oneByOne(users []string, remove func(user string) (int, error)) (map[string]int, error) {
	deleted := map[string]int{}
	for _, user := range users {
		n, err := remove(user)
		if err != nil {
			return nil, err
		}
		deleted[user] = n
	}
	return deleted, nil
}

package memory

import (
	"cmp"
	"slices"
)

// indexed is an entry with the keys by which a store finds it.
type indexed[I comparable] interface {
	comparable
	keys() (id I, publicID, user string)
}

// index finds entries by their IDs, public IDs and users.
type index[I comparable, E indexed[I]] struct {
	byID     map[I]E
	byPublic map[string]E
	byUser   map[string]map[E]struct{}
}

func newIndex[I comparable, E indexed[I]]() index[I, E] {
	return index[I, E]{byID: map[I]E{}, byPublic: map[string]E{}, byUser: map[string]map[E]struct{}{}}
}

func (x *index[I, E]) add(e E) {
	id, publicID, user := e.keys()
	x.byID[id], x.byPublic[publicID] = e, e
	if x.byUser[user] == nil {
		x.byUser[user] = map[E]struct{}{}
	}
	x.byUser[user][e] = struct{}{}
}

func (x *index[I, E]) remove(e E) {
	id, publicID, user := e.keys()
	delete(x.byID, id)
	delete(x.byPublic, publicID)
	delete(x.byUser[user], e)
	if len(x.byUser[user]) == 0 {
		delete(x.byUser, user)
	}
}

// candidates returns the entry with the public ID, or those of the user, or all if both are empty.
func (x *index[I, E]) candidates(publicID, user string) (found []E) {
	switch {
	case publicID != "":
		if e, ok := x.byPublic[publicID]; ok {
			found = append(found, e)
		}
	case user != "":
		for e := range x.byUser[user] {
			found = append(found, e)
		}
	default:
		for _, e := range x.byID {
			found = append(found, e)
		}
	}
	return found
}

// page returns copies of at most limit entries in the order of their public IDs; of all if limit is 0.
func page[I comparable, E indexed[I], R any](found []E, limit int, copyOf func(E) R) []R {
	slices.SortFunc(found, func(a, b E) int {
		_, first, _ := a.keys()
		_, second, _ := b.keys()
		return cmp.Compare(first, second)
	})
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	records := make([]R, len(found))
	for i, e := range found {
		records[i] = copyOf(e)
	}
	return records
}

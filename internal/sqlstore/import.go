package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

type imports struct {
	find, put, all, highest, raise, create, owner *statement
}

func newImports(p *preparer) imports {
	return imports{
		find: p.writing(`SELECT user_id, state, password FROM imports WHERE source = $1 AND source_id = $2`),
		put: p.writing(`INSERT INTO imports (source, source_id, user_id, state, password) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (source, source_id) DO UPDATE SET state = excluded.state, password = excluded.password`),
		all:     p.reading(`SELECT source_id, CAST(user_id AS TEXT) FROM imports WHERE source = $1`),
		highest: p.writing(`SELECT COALESCE(max(id), 0) FROM users`),
		raise:   p.locking(p.dialect.RaiseID),
		create: p.writing(`INSERT INTO users (username, email, first_name, last_name, password,
			is_active, is_staff, is_superuser, date_joined, last_login, epoch, search, email_proven, extra_public, extra_private, password_withheld, id) ` + p.dialect.GivenID + `
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id`),
		owner: p.writing(`SELECT user_id FROM logins WHERE key = $1`),
	}
}

// Import implements [store.Importer].
func (a *accounts) Import(
	ctx context.Context, users []store.ImportedUser, later bool, agree func([]store.ImportResult) error,
) ([]store.ImportResult, error) {
	var results []store.ImportResult
	var refused error
	err := a.dialect.transaction(ctx, a.write, func(t tx) error {
		if _, err := t.exec(a.lockRights); err != nil {
			return fmt.Errorf("lock groups: %w", err)
		}
		if _, err := t.exec(a.lockUsers); err != nil {
			return fmt.Errorf("lock users: %w", err)
		}
		results = make([]store.ImportResult, len(users))
		if err := a.importAll(t, users, results, false); err != nil {
			return err
		}
		if later {
			if err := a.importAll(t, users, results, true); err != nil {
				return err
			}
		}
		if agree != nil {
			if refused = agree(results); refused != nil {
				return refused
			}
		}
		_, err := t.exec(a.imports.raise)
		return err
	})
	if err != nil && refused == nil {
		return nil, err
	}
	return results, err
}

// Imports implements [store.Importer].
func (a *accounts) Imports(ctx context.Context, source string) (map[string]string, error) {
	query := func() (*sql.Rows, error) { return a.imports.all.QueryContext(ctx, source) }
	found, err := all(ctx, a.dialect, query, func(s scanner) (pair [2]string, err error) {
		err = s.Scan(&pair[0], &pair[1])
		return pair, err
	})
	if err != nil {
		return nil, fmt.Errorf("list imported users: %w", err)
	}
	ids := map[string]string{}
	for _, pair := range found {
		ids[pair[0]] = pair[1]
	}
	return ids, nil
}

// importAll imports the users who can keep their IDs, or, with later, those who can't.
func (a *accounts) importAll(t tx, users []store.ImportedUser, results []store.ImportResult, later bool) (err error) {
	for i, u := range users {
		if later && !results[i].Deferred {
			continue
		}
		if results[i], err = a.importUser(t, u, later); err != nil {
			return fmt.Errorf("import user %s: %w", u.ID, err)
		}
	}
	return nil
}

// imported is what an earlier import stored about a user.
type imported struct {
	id              int64 // 0: there was none
	state, password []byte
}

func (a *accounts) importUser(t tx, in store.ImportedUser, later bool) (store.ImportResult, error) {
	var k imported
	err := t.queryRow(a.imports.find, in.Source, in.ID).Scan(&k.id, &k.state, &k.password)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.ImportResult{}, err
	}
	sum := sha256.Sum256([]byte(in.User.Password))
	if k.id != 0 {
		return a.reimport(t, in, k, sum[:])
	}
	r := store.ImportResult{}
	if r.Conflict, err = a.takenBy(t, &in.User, 0); err != nil || r.Conflict == "username" {
		return r, err
	}
	state := in.State(r.Conflict)
	if r.Conflict == "email" {
		in.User.Email = ""
	}
	r.User, r.Deferred, err = a.importNew(t, in, later, state, sum[:])
	r.Created = r.User != nil
	return r, err
}

// takenBy returns the field of a user whose login name belongs to another user, or "".
func (a *accounts) takenBy(t tx, u *account.User, mine int64) (string, error) {
	for _, l := range logins(u) {
		var owner int64
		err := t.queryRow(a.imports.owner, l.key).Scan(&owner)
		if errors.Is(err, sql.ErrNoRows) || err == nil && owner == mine {
			continue
		}
		return l.field, err
	}
	return "", nil
}

// reimport updates a user with what has changed at the source.
func (a *accounts) reimport(t tx, in store.ImportedUser, k imported, sum []byte) (r store.ImportResult, err error) {
	before, err := a.loadLocked(t, k.id)
	if err != nil {
		return r, err
	}
	if bytes.Equal(in.State(), k.state) && bytes.Equal(sum, k.password) {
		return store.ImportResult{User: before}, nil
	}
	if in.SameIDOtherPerson(k.state) {
		return store.ImportResult{Conflict: "id"}, nil
	}
	next := copyUser(before)
	in.Merge(next, k.state)
	if r.Conflict, err = a.keepNames(t, next, before, k.id); err != nil {
		return r, err
	}
	if !bytes.Equal(k.password, sum) {
		next.Password, next.Epoch = in.User.Password, rand.Text()
	}
	if next.IsActive != before.IsActive {
		next.Epoch = rand.Text()
	}
	r.User, r.Changed = before, !reflect.DeepEqual(next, before)
	if r.Changed {
		r.User, err = a.alter(t, k.id, func(u *account.User) error { *u = *next; return nil })
	}
	if err == nil {
		_, err = t.exec(a.imports.put, in.Source, in.ID, k.id, in.State(r.Conflict), sum)
	}
	return r, err
}

// keepNames keeps the former names of a user where the new ones belong to another user. It returns the first such field.
func (a *accounts) keepNames(t tx, next, before *account.User, id int64) (kept string, err error) {
	for range 2 {
		field, err := a.takenBy(t, next, id)
		switch {
		case err != nil || field == "":
			return kept, err
		case field == "username":
			next.Username = before.Username
		default:
			next.Email = before.Email
		}
		kept = cmp.Or(kept, field)
	}
	return kept, nil
}

// importNew creates a user, with the ID at the source if no user has that ID or a higher one.
func (a *accounts) importNew(t tx, in store.ImportedUser, later bool, state, sum []byte) (u *account.User, wait bool, err error) {
	var highest int64
	if err := t.queryRow(a.imports.highest).Scan(&highest); err != nil {
		return nil, false, err
	}
	id, ok := number(in.ID)
	if keep := ok && id > highest && id < 1<<53; !keep {
		if !later {
			return nil, true, nil
		}
		id = highest + 1
	}
	next := copyUser(&in.User)
	next.Epoch = rand.Text()
	if err := t.queryRow(a.imports.create, append(slices.Clone(a.columns(next)), id)...).Scan(&id); err != nil {
		return nil, false, fmt.Errorf("create user: %w", err)
	}
	if err := a.insertRelated(t, id, next); err != nil {
		return nil, false, err
	}
	if _, err := t.exec(a.imports.put, in.Source, in.ID, id, state, sum); err != nil {
		return nil, false, err
	}
	u, err = a.loadLocked(t, id)
	return u, false, err
}

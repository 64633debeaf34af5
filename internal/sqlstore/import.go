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
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/store"
)

type imports struct {
	find, put, all, highest, raise, create, owner *statement

	findSome, loadSome *statement // for several users at a time
}

func newImports(p *queries) imports {
	return imports{
		find: p.writing(`SELECT user_id, state, password FROM imports WHERE source = $1 AND source_id = $2`),
		put: p.writing(`INSERT INTO imports (source, source_id, user_id, state, password) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (source, source_id) DO UPDATE SET state = excluded.state, password = excluded.password`),
		all:     p.reading(`SELECT source_id, CAST(user_id AS TEXT) FROM imports WHERE source = $1`),
		highest: p.writing(`SELECT COALESCE(max(id), 0) FROM users`),
		raise:   p.locking(p.dialect.RaiseID),
		create: p.writing(`INSERT INTO users (username, email, first_name, last_name, password,
			is_active, is_staff, is_superuser, date_joined, last_login, epoch, search, email_proven, extra_public, extra_private, password_withheld, language, id) ` + p.dialect.GivenID + `
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id`),
		owner: p.writing(`SELECT user_id FROM logins WHERE key = $1`),

		// Each ID is looked up. Without statistics of the table, PostgreSQL compares each user of a source with each ID of a list.
		findSome: p.writing(`SELECT v.column1, ` + lookUp("user_id") + `, ` + lookUp("state") + `, ` + lookUp("password") +
			` FROM (VALUES ` + places(2, importedAtOnce, "($%d)") + `) AS v`),
		loadSome: p.writing(selectUser(p.dialect) + ` WHERE u.id IN (` + places(1, importedAtOnce, "$%d") + `)`),
	}
}

// lookUp returns the query of one column of an earlier import, for an ID of VALUES.
func lookUp(column string) string {
	return `(SELECT ` + column + ` FROM imports WHERE source = $1 AND source_id = v.column1)`
}

// places returns the placeholders of n arguments of a statement, from a number on, each in this format.
func places(from, n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, from+i)
	}
	return strings.Join(all, ", ")
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
	var former *former
	for i, u := range users {
		if i%importedAtOnce == 0 {
			if former, err = a.formerOf(t, users[i:min(i+importedAtOnce, len(users))]); err != nil {
				return fmt.Errorf("read what was imported: %w", err)
			}
		}
		if later && !results[i].Deferred {
			continue
		}
		if results[i], err = a.importUser(t, u, former, later); err != nil {
			return fmt.Errorf("import user %s: %w", u.ID, err)
		}
	}
	return nil
}

// importedAtOnce is for how many users one statement reads what an earlier import has stored.
const importedAtOnce = 100

// imported is what an earlier import stored about a user.
type imported struct {
	id              int64 // 0: there was none
	state, password []byte
}

// withheld reports whether a user has no password because it was taken away here: from a compromised account, for example, which those who
// know the one at the source must not enter again.
func (k imported) withheld(u *account.User) bool {
	sum := sha256.Sum256([]byte(u.Password))
	return !u.HasPassword() && !bytes.Equal(k.password, sum[:])
}

// former is what was stored about some users of a source before this import came to them.
type former struct {
	source string
	known  map[string]imported // by their IDs there
	users  map[int64]*account.User
}

// formerOf reads what is stored about users. Other transactions can't change it meanwhile.
func (a *accounts) formerOf(t tx, users []store.ImportedUser) (*former, error) {
	f := &former{users[0].Source, map[string]imported{}, map[int64]*account.User{}}
	args := []any{f.source}
	for i := range importedAtOnce {
		u := users[min(i, len(users)-1)]
		args = append(args, u.ID)
		f.known[u.ID] = imported{}
	}
	ids := make([]any, 0, importedAtOnce)
	_, err := collect(func() (*sql.Rows, error) { return t.query(a.imports.findSome, args...) }, func(s scanner) (none struct{}, err error) {
		var id string
		var user sql.NullInt64
		var k imported
		if err := s.Scan(&id, &user, &k.state, &k.password); err != nil || !user.Valid {
			return none, err
		}
		k.id = user.Int64
		f.known[id] = k
		ids = append(ids, k.id)
		return none, nil
	})
	if err != nil || len(ids) == 0 {
		return f, err
	}
	for len(ids) < importedAtOnce {
		ids = append(ids, ids[0])
	}
	found, err := collect(func() (*sql.Rows, error) { return t.query(a.imports.loadSome, ids...) }, scanUser)
	for _, u := range found {
		if id, ok := number(u.ID); ok {
			f.users[id] = u
		}
	}
	return f, err
}

// find returns what an earlier import stored about a user. What formerOf has read counts once: a second user with the same ID comes
// after what is written for the first.
func (f *former) find(a *accounts, t tx, in store.ImportedUser) (k imported, err error) {
	if k, ok := f.known[in.ID]; ok && in.Source == f.source {
		delete(f.known, in.ID)
		return k, nil
	}
	err = t.queryRow(a.imports.find, in.Source, in.ID).Scan(&k.id, &k.state, &k.password)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return k, err
}

// user returns a user as stored; as above, what was read counts once.
func (f *former) user(a *accounts, t tx, id int64) (*account.User, error) {
	if u := f.users[id]; u != nil {
		delete(f.users, id)
		return u, nil
	}
	return a.readLocked(t, id)
}

func (a *accounts) importUser(t tx, in store.ImportedUser, f *former, later bool) (store.ImportResult, error) {
	k, err := f.find(a, t, in)
	if err != nil {
		return store.ImportResult{}, err
	}
	sum := sha256.Sum256([]byte(in.User.Password))
	if k.id != 0 {
		return a.reimport(t, in, f, k, sum[:])
	}
	r := store.ImportResult{}
	if r.Conflict, err = a.takenBy(t, &in.User, 0); err != nil || r.Conflict == "username" {
		return r, err
	}
	state := in.Fingerprint(r.Conflict)
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
		err := t.queryRow(a.imports.owner, a.dialect.Bytes(l.key)).Scan(&owner)
		if errors.Is(err, sql.ErrNoRows) || err == nil && owner == mine {
			continue
		}
		return l.field, err
	}
	return "", nil
}

// reimport updates a user with what has changed at the source. All users are locked.
func (a *accounts) reimport(t tx, in store.ImportedUser, f *former, k imported, sum []byte) (r store.ImportResult, err error) {
	before, err := f.user(a, t, k.id)
	if err != nil {
		return r, err
	}
	if bytes.Equal(in.Fingerprint(), k.state) && bytes.Equal(sum, k.password) {
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
	if !bytes.Equal(k.password, sum) && !k.withheld(before) {
		next.Password, next.Epoch = in.User.Password, rand.Text()
	}
	if next.IsActive != before.IsActive {
		next.Epoch = rand.Text()
	}
	r.User, r.Changed = before, !reflect.DeepEqual(next, before)
	if r.Changed {
		r.User, err = a.replace(t, k.id, before, next)
	}
	if err == nil && next.Epoch != before.Epoch {
		err = a.tokens.moveImported(t, next, before.Epoch, in.Source)
	}
	if err == nil {
		_, err = t.exec(a.imports.put, in.Source, in.ID, k.id, in.Fingerprint(r.Conflict), sum)
	}
	return r, err
}

// moveImported gives the tokens that were imported from a source the new epoch of their user: there they outlive a change of the password.
// One with another epoch than the former has ended here.
func (s *tokens) moveImported(t tx, u *account.User, former, source string) error {
	text := s.dialect.Bytes
	_, err := t.exec(s.move, text(u.Epoch), newVersion(), text(u.ID), text(former), store.ImportedTokenData(source))
	if err != nil {
		return fmt.Errorf("move the tokens of a user: %w", err)
	}
	return nil
}

// replace writes a changed user, and returns the user as stored. What the rights give is read again only if they have changed.
func (a *accounts) replace(t tx, id int64, before, next *account.User) (*account.User, error) {
	if err := a.update(t, id, before, next); err != nil {
		return nil, err
	}
	if slices.Equal(before.Groups, next.Groups) && slices.Equal(before.UserPermissions, next.UserPermissions) {
		return next, nil
	}
	return a.readLocked(t, id)
}

// keepNames keeps the former names of a user where the new ones belong to another user. It returns the first such field.
func (a *accounts) keepNames(t tx, next, before *account.User, id int64) (kept string, err error) {
	if slices.Equal(logins(next), logins(before)) {
		return "", nil
	}
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
	u, err = a.readLocked(t, id)
	return u, false, err
}

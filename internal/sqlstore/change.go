package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

func (a *accounts) Create(ctx context.Context, u *account.User) error {
	var id string
	err := a.dialect.transaction(ctx, a.write, func(t tx) (err error) {
		id, err = a.insert(t, u)
		return err
	})
	if err != nil {
		return err
	}
	u.ID = id
	return nil
}

func (a *accounts) CreateFirst(ctx context.Context, u *account.User, secretHash [32]byte, now int64) error {
	var id string
	err := a.dialect.transaction(ctx, a.write, func(t tx) (err error) {
		if err := a.spend(t, secretHash, now); err != nil {
			return err
		}
		id, err = a.insert(t, u)
		return err
	})
	if err != nil {
		return err
	}
	u.ID = id
	return nil
}

// spend deletes the set-up secret, which must be valid, and checks that there is no user yet.
func (a *accounts) spend(t tx, secretHash [32]byte, now int64) error {
	if _, err := t.exec(a.lockUsers); err != nil {
		return fmt.Errorf("lock users: %w", err)
	}
	n, err := t.exec(a.spendSetup, secretHash[:], now)
	if err != nil {
		return fmt.Errorf("spend set-up secret: %w", err)
	}
	var anyUser bool
	if err := t.queryRow(a.anyUser).Scan(&anyUser); err != nil {
		return fmt.Errorf("check for users: %w", err)
	}
	if n == 0 || anyUser {
		return account.SpentErrors.Setup
	}
	return nil
}

func (a *accounts) SetSetup(ctx context.Context, secretHash [32]byte, expires int64) error {
	if _, err := a.putSetup.ExecContext(ctx, secretHash[:], expires); err != nil {
		return fmt.Errorf("store set-up secret: %w", err)
	}
	return nil
}

func (a *accounts) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	n, ok := number(id)
	if !ok {
		return nil, account.ErrNotFound
	}
	var changed *account.User
	err := a.dialect.transaction(ctx, a.write, func(t tx) (err error) {
		changed, err = a.alter(t, n, change)
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

func (a *accounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	return a.Change(ctx, id, func(u *account.User) error { s.Apply(u); return nil })
}

// alter reads a user, calls change, writes the user back, and returns it as stored.
func (a *accounts) alter(t tx, id int64, change func(*account.User) error) (*account.User, error) {
	before, err := a.loadLocked(t, id)
	if err != nil {
		return nil, err
	}
	after := copyUser(before)
	if err := change(after); err != nil {
		return nil, err
	}
	if err := a.update(t, id, before, after); err != nil {
		return nil, err
	}
	return a.loadLocked(t, id)
}

// loadLocked reads a user and locks it until the transaction ends. The lock is a separate statement, because a statement that
// waited for a lock would read the groups and permissions as they were when it began to wait.
func (a *accounts) loadLocked(t tx, id int64) (*account.User, error) {
	if _, err := t.exec(a.lockUser, id); err != nil {
		return nil, fmt.Errorf("lock user: %w", err)
	}
	return a.readLocked(t, id)
}

// readLocked reads a user that this transaction has locked, or all users.
func (a *accounts) readLocked(t tx, id int64) (*account.User, error) {
	u, err := scanUser(t.queryRow(a.reload, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = account.ErrNotFound
	}
	return wrapLoad(u, err)
}

func (a *accounts) Delete(ctx context.Context, id string) error {
	err := a.dialect.transaction(ctx, a.write, func(t tx) error { return a.remove(t, id) })
	return a.explainDeletion(err, "user")
}

// explainDeletion returns the error of a transaction that deletes a user or a group. A program's own tables may refer to either, with a
// foreign key that fails in the statement, or in the commit if it is deferred. Retrying doesn't help then.
func (a *accounts) explainDeletion(err error, of string) error {
	if err == nil {
		return nil
	}
	table, broken := a.dialect.ForeignKey(err)
	if !broken {
		return err
	}
	if table != "" {
		table = " (" + table + ")"
	}
	message := "Rows of the application's own tables refer to this " + of + table + ". Delete those first."
	return &account.InvalidError{Fields: map[string][]password.Problem{"non_field_errors": {{Code: "protected", Message: message}}}}
}

func (a *accounts) remove(t tx, id string) error {
	number, ok := number(id)
	if !ok {
		return account.ErrNotFound
	}
	n, err := t.exec(a.delete, number)
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if n == 0 {
		return account.ErrNotFound
	}
	return nil
}

// insert adds a user with login names, groups and permissions, and returns its ID.
func (a *accounts) insert(t tx, u *account.User) (id string, err error) {
	var n int64
	if err := t.queryRow(a.create, a.columns(u)...).Scan(&n); err != nil {
		return "", fmt.Errorf("create user: %w", err)
	}
	return strconv.FormatInt(n, 10), a.insertRelated(t, n, u)
}

// insertRelated adds the login names, groups and permissions of a new user.
func (a *accounts) insertRelated(t tx, id int64, u *account.User) error {
	if err := a.addLogins(t, id, logins(u)); err != nil {
		return err
	}
	if err := a.addMembers(t, id, u.Groups); err != nil {
		return err
	}
	return a.addPermissions(t, id, u.UserPermissions)
}

// update writes what differs between before and after.
func (a *accounts) update(t tx, id int64, before, after *account.User) error {
	if _, err := t.exec(a.save, append(a.columns(after), id)...); err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	if err := a.moveLogins(t, id, logins(before), logins(after)); err != nil {
		return err
	}
	if !slices.Equal(before.Groups, after.Groups) {
		if _, err := t.exec(a.dropMembers, id); err != nil {
			return fmt.Errorf("change groups of a user: %w", err)
		}
		if err := a.addMembers(t, id, after.Groups); err != nil {
			return err
		}
	}
	if !slices.Equal(before.UserPermissions, after.UserPermissions) {
		if _, err := t.exec(a.dropPermissions, id); err != nil {
			return fmt.Errorf("change permissions of a user: %w", err)
		}
		return a.addPermissions(t, id, after.UserPermissions)
	}
	return nil
}

// login is a key to sign in with, and the field that it comes from.
type login struct{ field, key string }

// logins returns the keys of a user, each once.
func logins(u *account.User) []login {
	all := []login{{"username", account.CanonicalLogin(u.Username)}}
	if key := account.CanonicalLogin(u.Email); u.Email != "" && key != all[0].key {
		all = append(all, login{"email", key})
	}
	return all
}

func hasKey(all []login, key string) bool {
	return slices.ContainsFunc(all, func(l login) bool { return l.key == key })
}

func (a *accounts) moveLogins(t tx, id int64, before, after []login) error {
	for _, l := range before {
		if hasKey(after, l.key) {
			continue
		}
		if _, err := t.exec(a.dropLogin, a.dialect.Bytes(l.key), id); err != nil {
			return fmt.Errorf("drop login name: %w", err)
		}
	}
	return a.addLogins(t, id, slices.DeleteFunc(after, func(l login) bool { return hasKey(before, l.key) }))
}

func (a *accounts) addLogins(t tx, id int64, all []login) error {
	for _, l := range all {
		n, err := t.exec(a.addLogin, a.dialect.Bytes(l.key), id)
		if err != nil {
			return fmt.Errorf("add login name: %w", err)
		}
		if n == 0 {
			return &account.TakenError{Field: l.field}
		}
	}
	return nil
}

func (a *accounts) addMembers(t tx, id int64, groups []string) error {
	for _, name := range set(groups) {
		if !a.dialect.holds(name) {
			return account.ErrNotFound
		}
		n, err := t.exec(a.addMember, id, name)
		if err != nil {
			return fmt.Errorf("add user to group: %w", err)
		}
		if n == 0 {
			return account.ErrNotFound
		}
	}
	return nil
}

func (a *accounts) addPermissions(t tx, id int64, permissions []string) error {
	for _, permission := range set(permissions) {
		if _, err := t.exec(a.addPermission, id, permission); err != nil {
			return fmt.Errorf("give permission to user: %w", err)
		}
	}
	return nil
}

// set returns a sorted copy of the names without duplicates.
func set(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// columns returns the fields of a user in the order of the statements create and save.
func (a *accounts) columns(u *account.User) []any {
	return []any{u.Username, u.Email, u.FirstName, u.LastName, u.Password,
		u.IsActive, u.IsStaff, u.IsSuperuser, u.DateJoined, u.LastLogin, u.Epoch, a.dialect.Bytes(searchable(u)), u.EmailProven,
		u.Extra.Public, u.Extra.Private, u.PasswordWithheld, u.Language}
}

func copyUser(u *account.User) *account.User {
	next := *u
	next.Groups, next.UserPermissions, next.Permissions = slices.Clone(u.Groups), slices.Clone(u.UserPermissions), slices.Clone(u.Permissions)
	return &next
}

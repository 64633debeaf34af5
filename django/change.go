package django

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Create adds a user with a value in each column that this package knows. If a custom user model has another column that is
// NOT NULL, the error is an *[account.InvalidError].
func (a *accounts) Create(ctx context.Context, u *account.User) error {
	var id string
	err := a.transaction(ctx, func(t *sql.Tx) (err error) {
		id, err = a.create(ctx, t, u)
		return err
	})
	if err != nil {
		return err
	}
	u.ID, u.Epoch = id, authHash(a.form.keys[0], u.Password)
	return nil
}

func (a *accounts) create(ctx context.Context, t *sql.Tx, u *account.User) (id string, err error) {
	if err := fits(u); err != nil {
		return "", err
	}
	if err := a.unifyEmailLogin(&account.User{}, u); err != nil {
		return "", err
	}
	if err := a.checkNameFree(ctx, t, u.Username, ""); err != nil {
		return "", err
	}
	if id, err = a.insert(ctx, t, u); err != nil {
		return "", err
	}
	if err := a.setGroups(ctx, t, id, u.Groups); err != nil {
		return "", err
	}
	return id, a.setPermissions(ctx, t, id, u.UserPermissions)
}

// checkNameFree returns a TakenError if another user has the name, without regard to case, as Django's sign-up form does.
// own is the key of the user who may have it; "" for a new one.
func (a *accounts) checkNameFree(ctx context.Context, t *sql.Tx, name, own string) error {
	var taken bool
	query := `SELECT EXISTS (SELECT 1 FROM ` + quote(a.config.UserTable) + ` WHERE lower(` + quote(a.config.UserLogin) + `) = lower(CAST($1 AS TEXT))
		AND CAST(` + quote(a.config.UserKey) + ` AS TEXT) <> $2)`
	if err := t.QueryRowContext(ctx, query, name, own).Scan(&taken); err != nil {
		return fmt.Errorf("check whether the name is free: %w", err)
	}
	if taken {
		return a.nameTaken()
	}
	return nil
}

func (a *accounts) nameTaken() error {
	if a.loginIsEmail() {
		return &account.TakenError{Field: "email"}
	}
	return &account.TakenError{Field: "username"}
}

func (a *accounts) insert(ctx context.Context, t *sql.Tx, u *account.User) (id string, err error) {
	var columns, places []string
	var args []any
	add := func(column string, value any) {
		columns, args = append(columns, quote(column)), append(args, value)
		places = append(places, fmt.Sprintf("$%d", len(args)))
	}
	if a.schema.uuid {
		key, err := a.key(newUUID())
		if err != nil {
			return "", err
		}
		add(a.config.UserKey, key)
	}
	for _, f := range a.fields() {
		value := a.value(f, u)
		if err := a.checkLength(f, value); err != nil {
			return "", err
		}
		add(f.column, value)
	}
	query := `INSERT INTO ` + quote(a.config.UserTable) + ` (` + strings.Join(columns, ", ") + `) VALUES (` + strings.Join(places, ", ") +
		`) RETURNING CAST(` + quote(a.config.UserKey) + ` AS TEXT)`
	if err := t.QueryRowContext(ctx, query, args...).Scan(&id); err != nil {
		return "", fmt.Errorf("create user: %w", err)
	}
	return a.id(id), nil
}

// value returns a field of a user as an argument for its column.
func (a *accounts) value(f field, u *account.User) any {
	switch v := f.of(u).(type) {
	case *string:
		return *v
	case *bool:
		return *v
	case *int64:
		if *v == 0 && f.column == "last_login" {
			return nil
		}
		return a.stamp(*v)
	}
	panic("django: field of unknown kind")
}

// newUUID returns a random UUID (RFC 9562, version 4), as Python's uuid.uuid4 does.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it crashes the process instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// CreateFirst refuses, as SetSetup does: manage.py createsuperuser creates Django's first user.
func (a *accounts) CreateFirst(context.Context, *account.User, [32]byte, int64) error {
	return account.SpentErrors.Setup
}

// SetSetup refuses; see CreateFirst.
func (a *accounts) SetSetup(context.Context, [32]byte, int64) error {
	return errors.New("create the first user in Django: manage.py createsuperuser")
}

// Change writes the columns that differ, and no others.
func (a *accounts) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	var changed *account.User
	err := a.transaction(ctx, func(t *sql.Tx) error {
		before, err := a.locked(ctx, t, id)
		if err != nil {
			return err
		}
		changed, err = a.changeLocked(ctx, t, before, change)
		return err
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// NoteSignIn writes what a sign-in changes in the user.
func (a *accounts) NoteSignIn(ctx context.Context, id string, s account.SignInUpdate) (*account.User, error) {
	return a.Change(ctx, id, func(u *account.User) error { s.Apply(u); return nil })
}

// changeLocked changes a user whose row this transaction has locked.
func (a *accounts) changeLocked(ctx context.Context, t *sql.Tx, before *account.User, change func(*account.User) error) (*account.User, error) {
	after := *before
	after.Groups, after.UserPermissions, after.Permissions = slices.Clone(before.Groups), slices.Clone(before.UserPermissions), slices.Clone(before.Permissions)
	if err := change(&after); err != nil {
		return nil, err
	}
	if err := a.unifyEmailLogin(before, &after); err != nil {
		return nil, err
	}
	if err := a.update(ctx, t, before, &after); err != nil {
		return nil, err
	}
	return a.load(ctx, t, before.ID)
}

// locked loads a user and locks the row and the user's groups until the transaction ends. The locks are statements of their
// own: a statement that waits for a lock still reads the groups and permissions as they were before it waited.
func (a *accounts) locked(ctx context.Context, t *sql.Tx, id string) (*account.User, error) {
	key, err := a.key(id)
	if err != nil {
		return nil, account.ErrNotFound
	}
	if a.dialect.lock == "" {
		return a.load(ctx, t, id)
	}
	locks := []string{`SELECT 1 FROM ` + quote(a.config.UserTable) + ` WHERE ` + quote(a.config.UserKey) + ` = $1` + a.dialect.lock}
	if a.schema.groups != "" {
		locks = append(locks, `SELECT 1 FROM auth_group g JOIN `+quote(a.schema.groups)+` m ON m.group_id = g.id
			WHERE m.`+quote(a.schema.member)+` = $1 ORDER BY g.id`+a.dialect.share+` OF g`)
	}
	for _, lock := range locks {
		if _, err := t.ExecContext(ctx, lock, key); err != nil {
			return nil, fmt.Errorf("lock user: %w", err)
		}
	}
	return a.load(ctx, t, id)
}

// Unsupported says that Django's tables have no place for the language of a user and for the data of a program, and that mailed links and passkeys are
// in our own database.
func (a *accounts) Unsupported() account.Unsupported {
	return account.Unsupported{Language: true, Extra: true, SpendLink: true}
}

// fits returns an error if a user has what Unsupported names.
func fits(u *account.User) error {
	switch {
	case u.Extra != (account.Extra{}):
		return account.UnsupportedErrors.Extra
	case u.Language != "":
		return account.UnsupportedErrors.Language
	}
	return nil
}

func (a *accounts) update(ctx context.Context, t *sql.Tx, before, after *account.User) error {
	if err := fits(after); err != nil {
		return err
	}
	if after.Username != before.Username {
		key, err := a.key(before.ID)
		if err != nil {
			return err
		}
		if err := a.checkNameFree(ctx, t, after.Username, key); err != nil {
			return err
		}
	}
	if err := a.updateColumns(ctx, t, before, after); err != nil {
		return err
	}
	if !slices.Equal(before.Groups, after.Groups) {
		if err := a.setGroups(ctx, t, before.ID, after.Groups); err != nil {
			return err
		}
	}
	if !slices.Equal(before.UserPermissions, after.UserPermissions) {
		if err := a.setPermissions(ctx, t, before.ID, after.UserPermissions); err != nil {
			return err
		}
	}
	if after.Epoch == before.Epoch {
		return nil
	}
	return a.endOld(ctx, t, before.ID, after.Password == before.Password)
}

// endOld deletes what a new epoch must end and the hash of the password doesn't: the tokens in Django's tables, which don't
// record the password they were made under, and sessions and reset secrets if the password is the same.
func (a *accounts) endOld(ctx context.Context, t *sql.Tx, id string, samePassword bool) error {
	key, err := a.key(id)
	if err != nil {
		return err
	}
	for _, table := range tokenTables {
		if !a.schema.tables[table] {
			continue
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM `+table+` WHERE user_id = $1`, key); err != nil {
			return fmt.Errorf("delete the user's tokens: %w", err)
		}
	}
	if !samePassword {
		return nil
	}
	if err := a.deleteResets(ctx, t, a.form.resetRows("user", id)); err != nil {
		return err
	}
	_, err = a.sessions.deleteUser(ctx, t, id, session.ID{})
	return err
}

func (a *accounts) updateColumns(ctx context.Context, t *sql.Tx, before, after *account.User) error {
	key, err := a.key(before.ID)
	if err != nil {
		return err
	}
	args := []any{key}
	var sets []string
	for _, f := range a.fields() {
		if value := a.value(f, after); value != a.value(f, before) {
			if err := a.checkLength(f, value); err != nil {
				return err
			}
			args = append(args, value)
			sets = append(sets, fmt.Sprintf("%s = $%d", quote(f.column), len(args)))
		}
	}
	if after.IsActive != before.IsActive && !a.schema.users.has("is_active") {
		return errNoIsActive()
	}
	if len(sets) == 0 {
		return nil
	}
	_, err = t.ExecContext(ctx, `UPDATE `+quote(a.config.UserTable)+` SET `+strings.Join(sets, ", ")+` WHERE `+quote(a.config.UserKey)+` = $1`, args...)
	if err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	return nil
}

func errNoIsActive() error {
	return onlyDjangoCan("no_is_active", "Django's users can't be disabled: their table has no column is_active.")
}

func (a *accounts) setGroups(ctx context.Context, t *sql.Tx, id string, names []string) error {
	if a.schema.groups == "" {
		if len(names) > 0 {
			return account.ErrNotFound
		}
		return nil
	}
	return a.setJoins(ctx, t, id, a.schema.groups, "group_id", names, func(name string) (int64, error) {
		return a.number(ctx, t, account.ErrNotFound, `SELECT id FROM auth_group WHERE name = $1`, name)
	})
}

func (a *accounts) setPermissions(ctx context.Context, t *sql.Tx, id string, names []string) error {
	if a.schema.permissions == "" && len(names) == 0 {
		return nil
	}
	return a.setJoins(ctx, t, id, a.schema.permissions, "permission_id", names, func(name string) (int64, error) { return a.permission(ctx, t, name) })
}

// permission returns the ID of a permission, which must exist.
func (a *accounts) permission(ctx context.Context, t *sql.Tx, name string) (int64, error) {
	app, codename, _ := strings.Cut(name, ".")
	missing := &account.InvalidError{Fields: map[string][]password.Problem{"permissions": {{
		Code: "does_not_exist", Message: fmt.Sprintf("Django has no permission %q.", name),
	}}}}
	if a.schema.permissions == "" {
		return 0, missing
	}
	return a.number(ctx, t, missing, `SELECT p.id FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
		WHERE c.app_label = $1 AND p.codename = $2 ORDER BY p.id LIMIT 1`, app, codename)
}

func (a *accounts) number(ctx context.Context, t *sql.Tx, missing error, query string, args ...any) (n int64, err error) {
	err = t.QueryRowContext(ctx, query, args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, missing
	}
	return n, err
}

// setJoins makes the rows that join a user with others exactly those named. Rows that are there already stay as they are.
func (a *accounts) setJoins(ctx context.Context, t *sql.Tx, id, table, column string, names []string, find func(string) (int64, error)) error {
	key, err := a.key(id)
	if err != nil {
		return err
	}
	member := quote(a.schema.member)
	have, err := queryAll(ctx, t, func(rows *sql.Rows) (n int64, err error) {
		err = rows.Scan(&n)
		return n, err
	}, `SELECT `+column+` FROM `+quote(table)+` WHERE `+member+` = $1`, key)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	var want []int64
	for _, name := range names {
		n, err := find(name)
		if err != nil {
			return err
		}
		want = append(want, n)
		if slices.Contains(have, n) || slices.Contains(want[:len(want)-1], n) {
			continue
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO `+quote(table)+` (`+member+`, `+column+`) VALUES ($1, $2)`, key, n); err != nil {
			return fmt.Errorf("write %s: %w", table, err)
		}
	}
	for _, n := range have {
		if slices.Contains(want, n) {
			continue
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM `+quote(table)+` WHERE `+member+` = $1 AND `+column+` = $2`, key, n); err != nil {
			return fmt.Errorf("write %s: %w", table, err)
		}
	}
	return nil
}

// Delete removes a user and what Django itself would remove with it: groups, permissions, tokens, the admin's log entries,
// and sessions. If rows of the project's own tables refer to the user, the error is an *[account.InvalidError].
func (a *accounts) Delete(ctx context.Context, id string) error {
	err := a.attempt(ctx, func(t *sql.Tx) error { return a.remove(ctx, t, id) })
	return a.explainedDeletion(ctx, err, "user")
}

func (a *accounts) remove(ctx context.Context, t *sql.Tx, id string) error {
	key, err := a.key(id)
	if err != nil {
		return account.ErrNotFound
	}
	for _, statement := range a.deleteReferring() {
		if _, err := t.ExecContext(ctx, statement, key); err != nil {
			return fmt.Errorf("delete the rows that refer to the user: %w", err)
		}
	}
	n, err := affected(t.ExecContext(ctx, `DELETE FROM `+quote(a.config.UserTable)+` WHERE `+quote(a.config.UserKey)+` = $1`, key))
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if n == 0 {
		return account.ErrNotFound
	}
	_, err = a.sessions.deleteUser(ctx, t, id, session.ID{})
	return err
}

// deleteReferring returns the statements that remove what refers to a user.
func (a *accounts) deleteReferring() []string {
	var statements []string
	for _, join := range []string{a.schema.groups, a.schema.permissions} {
		if join != "" {
			statements = append(statements, `DELETE FROM `+quote(join)+` WHERE `+quote(a.schema.member)+` = $1`)
		}
	}
	for _, table := range append(slices.Clone(tokenTables), "django_admin_log") {
		if a.schema.tables[table] {
			statements = append(statements, `DELETE FROM `+table+` WHERE user_id = $1`)
		}
	}
	if a.schema.tables["token_blacklist_outstandingtoken"] {
		statements = append(statements, `UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = $1`)
	}
	return statements
}

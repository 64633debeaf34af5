package django

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cloakroom-auth/cloakroom/account"
)

// Accounts returns Django's users and groups as a store. A user's epoch is the hash of the password column that Django keeps
// in sessions, so only a new password changes it. Whatever else must end a user's sessions deletes them, in the same
// transaction.
//
// Usernames are compared byte for byte, as Django does, and only the column of USERNAME_FIELD identifies a user: several
// users may have one e-mail address. Permissions can't be created here; Django creates them when it migrates.
func (db *DB) Accounts() account.Store { return &accounts{db, (*sessions)(db)} }

type accounts struct {
	*DB
	sessions *sessions
}

// FindLogin returns the user who signs in by this name, for [account.Service.FindLogin].
func (db *DB) FindLogin(ctx context.Context, name string) (*account.User, error) {
	return (&accounts{db, (*sessions)(db)}).FindLogin(ctx, name)
}

// field is a column of the user table and the field of account.User that it holds.
type field struct {
	column string
	kind   string // "text", "bool" or "time"
	of     func(u *account.User) any
}

// fields lists the columns that the table has, in the order in which they are read.
func (db *DB) fields() []field {
	all := []field{
		{db.config.UserLogin, "text", func(u *account.User) any { return &u.Username }},
		{"password", "text", func(u *account.User) any { return &u.Password }},
		{"email", "text", func(u *account.User) any { return &u.Email }},
		{"first_name", "text", func(u *account.User) any { return &u.FirstName }},
		{"last_name", "text", func(u *account.User) any { return &u.LastName }},
		{"is_active", "bool", func(u *account.User) any { return &u.IsActive }},
		{"is_staff", "bool", func(u *account.User) any { return &u.IsStaff }},
		{"is_superuser", "bool", func(u *account.User) any { return &u.IsSuperuser }},
		{"date_joined", "time", func(u *account.User) any { return &u.DateJoined }},
		{"last_login", "time", func(u *account.User) any { return &u.LastLogin }},
	}
	var there []field
	for i, f := range all {
		if db.schema.users.has(f.column) && (i == 0 || f.column != db.config.UserLogin) {
			there = append(there, f)
		}
	}
	return there
}

// userColumns are the columns of a user u without the lists.
func (db *DB) userColumns() string {
	columns := []string{`CAST(u.` + quote(db.config.UserKey) + ` AS TEXT)`}
	for _, f := range db.fields() {
		column := `u.` + quote(f.column)
		if f.kind == "time" {
			column = db.dialect.format(db.dialect.instant, column)
		}
		columns = append(columns, column)
	}
	return strings.Join(columns, ", ")
}

// selectUser reads a user u with groups and permissions in one statement, so that all of it is from one state of the
// database. Most users have neither, so a list is only made for those who have rows for it.
func (db *DB) selectUser() string {
	list := func(condition, query string) string {
		return `, CASE WHEN ` + condition + ` THEN ` + db.list(query) + ` END`
	}
	groups, direct, all := db.rightsOf()
	inGroup, hasOwn, either := db.hasRights()
	return `SELECT ` + db.userColumns() + list(inGroup, groups) + list(hasOwn, direct) + list(either, all) + db.fromUsers()
}

func (db *DB) list(query string) string {
	if query == "" {
		return `NULL`
	}
	return `(SELECT ` + db.dialect.jsonArray + `(item) FROM (` + query + ` ORDER BY 1) AS items)`
}

func (db *DB) fromUsers() string { return ` FROM ` + quote(db.config.UserTable) + ` u` }

// hasRights returns the conditions that a user has groups, permissions of their own, and either.
func (db *DB) hasRights() (inGroup, hasOwn, either string) {
	exists := func(table string) string {
		if table == "" {
			return `false`
		}
		return `EXISTS (SELECT 1 FROM ` + quote(table) + ` WHERE ` + quote(db.schema.member) + ` = u.` + quote(db.config.UserKey) + `)`
	}
	inGroup, hasOwn = exists(db.schema.groups), exists(db.schema.permissions)
	return inGroup, hasOwn, inGroup + ` OR ` + hasOwn
}

const permissionName = `c.app_label || '.' || p.codename AS item FROM auth_permission p
	JOIN django_content_type c ON c.id = p.content_type_id`

// rightsOf returns the queries for a user's groups, the user's own permissions, and all permissions; "" where the tables are
// missing.
func (db *DB) rightsOf() (groups, direct, all string) {
	key, member := `u.`+quote(db.config.UserKey), quote(db.schema.member)
	if join := quote(db.schema.groups); db.schema.groups != "" {
		groups = `SELECT g.name AS item FROM ` + join + ` m JOIN auth_group g ON g.id = m.group_id WHERE m.` + member + ` = ` + key
		all = `SELECT ` + permissionName + ` JOIN auth_group_permissions gp ON gp.permission_id = p.id
			JOIN ` + join + ` m ON m.group_id = gp.group_id WHERE m.` + member + ` = ` + key
	}
	if join := quote(db.schema.permissions); db.schema.permissions != "" {
		direct = `SELECT ` + permissionName + ` JOIN ` + join + ` m ON m.permission_id = p.id WHERE m.` + member + ` = ` + key
		if all != "" {
			all += ` UNION `
		}
		all += direct
	}
	return groups, direct, all
}

func (db *DB) scanUser(scan func(...any) error) (*account.User, error) {
	var lists [3][]byte
	u, err := db.scanFields(scan, &lists[0], &lists[1], &lists[2])
	if err != nil {
		return nil, err
	}
	return u, unmarshalLists(lists, &u.Groups, &u.UserPermissions, &u.Permissions)
}

// scanFields reads userColumns and what follows them.
func (db *DB) scanFields(scan func(...any) error, others ...any) (*account.User, error) {
	u := &account.User{IsActive: true} // AbstractBaseUser.is_active is true if there is no such column
	fields := db.fields()
	times := make([]sql.NullString, len(fields))
	texts := make([]sql.NullString, len(fields))
	bools := make([]sql.NullBool, len(fields))
	into := []any{&u.ID}
	for i, f := range fields {
		switch f.kind {
		case "time":
			into = append(into, &times[i])
		case "text":
			into = append(into, &texts[i])
		default:
			into = append(into, &bools[i])
		}
	}
	if err := scan(append(into, others...)...); err != nil {
		return nil, err
	}
	for i, f := range fields {
		switch f.kind {
		case "text":
			*f.of(u).(*string) = texts[i].String
		case "bool":
			*f.of(u).(*bool) = bools[i].Bool
		}
		if !times[i].Valid {
			continue
		}
		seconds, err := db.seconds(times[i].String)
		if err != nil {
			return nil, fmt.Errorf("read %s of user %s: %w", f.column, u.ID, err)
		}
		*f.of(u).(*int64) = seconds
	}
	u.ID = db.id(u.ID)
	if db.loginIsEmail() {
		u.Email = u.Username
	}
	u.PasswordWithheld = !u.HasPassword() // as in Django's own form
	u.Epoch = authHash(db.form.keys[0], u.Password)
	return u, nil
}

func unmarshalLists(lists [3][]byte, into ...*[]string) error {
	for i, list := range lists {
		if len(list) == 0 || string(list) == "[]" {
			continue
		}
		if err := json.Unmarshal(list, into[i]); err != nil {
			return fmt.Errorf("read groups and permissions: %w", err)
		}
	}
	return nil
}

func (a *accounts) Load(ctx context.Context, id string) (*account.User, error) {
	key, err := a.key(id)
	if err != nil {
		return nil, account.ErrNotFound
	}
	return loaded(a.checks.user(ctx, a.DB, id, key))
}

func (a *accounts) load(ctx context.Context, q querier, id string) (*account.User, error) {
	key, err := a.key(id)
	if err != nil {
		return nil, account.ErrNotFound
	}
	return a.loadOne(ctx, q, ` WHERE u.`+quote(a.config.UserKey)+` = $1`, key)
}

func (a *accounts) loadOne(ctx context.Context, q querier, where string, args ...any) (*account.User, error) {
	return loaded(a.scanUser(q.QueryRowContext(ctx, a.selectUser()+where, args...).Scan))
}

func loaded(u *account.User, err error) (*account.User, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return nil, account.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("load user: %w", err)
	}
	return u, nil
}

// FindLogin returns the user with this name, byte for byte, or else with its NFKC form, which is what Django's sign-in form
// makes of a name.
func (a *accounts) FindLogin(ctx context.Context, name string) (*account.User, error) {
	if name == "" || !isText(name) {
		return nil, account.ErrNotFound
	}
	where := ` WHERE u.` + quote(a.config.UserLogin) + ` = $1`
	u, err := a.loadOne(ctx, a.read, where, name)
	if normal := norm.NFKC.String(name); errors.Is(err, account.ErrNotFound) && normal != name {
		return a.loadOne(ctx, a.read, where, normal)
	}
	return u, err
}

// Find returns the user whose name is the key, or else the only user whose name equals it without regard to case.
func (a *accounts) Find(ctx context.Context, key string) (*account.User, error) {
	if u, err := a.FindLogin(ctx, key); !errors.Is(err, account.ErrNotFound) {
		return u, err
	}
	if !isText(key) {
		return nil, account.ErrNotFound
	}
	found, err := a.loadMany(ctx, ` WHERE lower(u.`+quote(a.config.UserLogin)+`) = lower($1) LIMIT 2`, key)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, account.ErrNotFound
	}
	return found[0], nil
}

func (a *accounts) loadMany(ctx context.Context, where string, args ...any) ([]*account.User, error) {
	found, err := queryAll(ctx, a.read, func(rows *sql.Rows) (*account.User, error) { return a.scanUser(rows.Scan) },
		a.selectUser()+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return found, nil
}

func (a *accounts) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	if !isText(q.Search) || !isText(q.Group) || q.Group != "" && a.schema.groups == "" {
		return nil, ctx.Err()
	}
	key := `u.` + quote(a.config.UserKey)
	where, args := ` WHERE true`, []any{}
	if q.After != "" {
		after, err := a.key(q.After)
		if err != nil {
			return nil, ctx.Err()
		}
		args = append(args, after)
		where += ` AND ` + key + ` > $1`
	}
	if q.Search != "" {
		args = append(args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q.Search)+"%")
		where += fmt.Sprintf(` AND %s LIKE lower(CAST($%d AS TEXT)) ESCAPE '\'`, a.searchedText(), len(args))
	}
	if q.Group != "" {
		args = append(args, q.Group)
		where += fmt.Sprintf(` AND EXISTS (SELECT 1 FROM %s m JOIN auth_group g ON g.id = m.group_id WHERE m.%s = %s AND g.name = $%d)`,
			quote(a.schema.groups), quote(a.schema.member), key, len(args))
	}
	if q.Superusers {
		where += ` AND u.` + quote("is_superuser")
	}
	where += ` ORDER BY ` + key
	if q.Limit > 0 {
		where += fmt.Sprintf(` LIMIT %d`, q.Limit)
	}
	return a.loadMany(ctx, where, args...)
}

// isText reports whether a text can be in a column. PostgreSQL would refuse a statement with another, which would look like an outage.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// searchedText is the expression of the text that a search goes through.
func (a *accounts) searchedText() string {
	var parts []string
	for _, f := range a.fields() {
		if f.kind == "text" && f.column != "password" {
			parts = append(parts, `COALESCE(u.`+quote(f.column)+`, '')`)
		}
	}
	return `lower(` + strings.Join(parts, ` || ' ' || `) + `)`
}

package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
)

type accounts struct {
	read, write *sql.DB
	dialect     Dialect
	groups      groups
	resets      resets
	imports     imports
	joins       joins
	tokens      *tokens // of the same database

	load                                                   *userQuery
	find                                                   rowQuery
	reload                                                 *statement // in write
	create, save, delete                                   *statement
	addLogin, dropLogin                                    *statement
	addMember, dropMembers, addPermission, dropPermissions *statement
	lockUser, lockRights, lockUsers                        *statement
	anyUser, putSetup, spendSetup                          *statement
}

func newAccounts(p *queries) *accounts {
	user := selectUser(p.dialect)
	return &accounts{
		read: p.read, write: p.write, dialect: p.dialect,
		groups: newGroups(p),
		resets: newResets(p), imports: newImports(p),

		load:   p.users(``, ` FROM users u WHERE u.id = $1`),
		find:   p.row(user + ` WHERE u.id = (SELECT user_id FROM logins WHERE key = $1)`),
		reload: p.writing(user + ` WHERE u.id = $1`),

		create: p.writing(`INSERT INTO users (username, email, first_name, last_name, password,
			is_active, is_staff, is_superuser, date_joined, last_login, epoch, search, email_proven, extra_public, extra_private, password_withheld, language)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING id`),
		save: p.writing(`UPDATE users SET username = $1, email = $2, first_name = $3, last_name = $4, password = $5,
			is_active = $6, is_staff = $7, is_superuser = $8, date_joined = $9, last_login = $10, epoch = $11, search = $12,
			email_proven = $13, extra_public = $14, extra_private = $15, password_withheld = $16, language = $17 WHERE id = $18`),
		delete: p.writing(`DELETE FROM users WHERE id = $1`),

		addLogin:  p.writing(`INSERT INTO logins (key, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`),
		dropLogin: p.writing(`DELETE FROM logins WHERE key = $1 AND user_id = $2`),

		addMember:       p.writing(`INSERT INTO members (user_id, group_id) SELECT $1, id FROM groups WHERE name = $2`),
		dropMembers:     p.writing(`DELETE FROM members WHERE user_id = $1`),
		addPermission:   p.writing(`INSERT INTO user_permissions (user_id, permission) VALUES ($1, $2)`),
		dropPermissions: p.writing(`DELETE FROM user_permissions WHERE user_id = $1`),

		lockUser:   p.locking(p.dialect.LockUser),
		lockRights: p.locking(p.dialect.LockRights),
		lockUsers:  p.locking(p.dialect.LockUsers),

		anyUser: p.writing(`SELECT EXISTS (SELECT 1 FROM users)`),
		putSetup: p.writing(`INSERT INTO setup (id, hash, expires) VALUES (1, $1, $2)
			ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, expires = excluded.expires`),
		spendSetup: p.writing(`DELETE FROM setup WHERE hash = $1 AND expires > $2`),
	}
}

// selectUser reads users u.
func selectUser(d Dialect) string { return `SELECT ` + userColumns(d) + ` FROM users u` }

const (
	userFields = `u.id, u.username, u.email, u.first_name, u.last_name, u.password, u.is_active, u.is_staff, u.is_superuser,
		u.date_joined, u.last_login, u.epoch, u.email_proven, u.extra_public, u.extra_private, u.password_withheld, u.language`

	// Conditions for a user u.
	inGroup = `EXISTS (SELECT 1 FROM members WHERE user_id = u.id)`
	hasOwn  = `EXISTS (SELECT 1 FROM user_permissions WHERE user_id = u.id)`
)

// userColumns are those of a user u with groups and permissions, in one statement, so that they are from one state of the database.
// Most users have neither, so a list is only made for those who have rows for it.
func userColumns(d Dialect) string {
	list := func(condition, query string) string {
		return `, CASE WHEN ` + condition + ` THEN (SELECT ` + d.JSONArray(`item`) + ` FROM (` + query + ` ORDER BY 1) AS items) END`
	}
	return userFields +
		list(inGroup, `SELECT g.name AS item FROM members m JOIN groups g ON g.id = m.group_id WHERE m.user_id = u.id`) +
		list(hasOwn, `SELECT permission AS item FROM user_permissions WHERE user_id = u.id`) +
		list(inGroup+` OR `+hasOwn, `SELECT permission AS item FROM user_permissions WHERE user_id = u.id UNION
			SELECT p.permission FROM members m JOIN group_permissions p ON p.group_id = m.group_id WHERE m.user_id = u.id`)
}

func (a *accounts) Load(ctx context.Context, id string) (*account.User, error) {
	n, ok := number(id)
	if !ok {
		return nil, account.ErrNotFound
	}
	u, err := wrapLoad(one(ctx, a.dialect, a.load, scanUser, account.ErrNotFound, n))
	if err == nil && u.ID != id {
		return nil, errors.New("load user: the database returned another user")
	}
	return u, err
}

func (a *accounts) Find(ctx context.Context, key string) (*account.User, error) {
	return wrapLoad(one(ctx, a.dialect, a.find, scanUser, account.ErrNotFound, a.dialect.Bytes(key)))
}

func (a *accounts) List(ctx context.Context, q account.Query) ([]*account.User, error) {
	query, args, ok := a.listing(q)
	if !ok {
		return nil, nil
	}
	found, err := all(ctx, a.dialect, func() (*sql.Rows, error) { return a.read.QueryContext(ctx, a.dialect.Named(query), args...) }, scanUser)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return found, nil
}

// listing returns the statement for a query. ok is false if no user can match, because q.After can't be an ID or q.Group
// can't be a name.
func (a *accounts) listing(q account.Query) (query string, args []any, ok bool) {
	after, ok := number(q.After)
	if !ok && q.After != "" || !a.dialect.holds(q.Group) {
		return "", nil, false
	}
	query = selectUser(a.dialect) + ` WHERE u.id > $1`
	args = []any{after}
	if search := account.CanonicalLogin(q.Search); search != "" {
		query += ` AND ` + a.dialect.Position(`u.search`, `$2`) + ` > 0`
		args = append(args, a.dialect.Bytes(search))
	}
	if q.Group != "" {
		args = append(args, q.Group)
		query += ` AND u.id IN (SELECT m.user_id FROM members m JOIN groups g ON g.id = m.group_id WHERE g.name = $` +
			strconv.Itoa(len(args)) + `)`
	}
	if q.Superusers {
		query += ` AND u.is_superuser`
	}
	query += ` ORDER BY u.id`
	if q.Limit > 0 {
		query += ` LIMIT ` + strconv.Itoa(q.Limit)
	}
	return query, args, true
}

// searchable is the text that a search looks through: the keys of a user's names, one per line.
func searchable(u *account.User) string {
	return strings.Join([]string{
		account.CanonicalLogin(u.Username), account.CanonicalLogin(u.Email), account.CanonicalLogin(u.FirstName + " " + u.LastName),
	}, "\n")
}

// number parses an ID. Only the spelling that this package returns is valid.
func number(id string) (int64, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == id
}

// wrapLoad adds to an error what was tried.
func wrapLoad(u *account.User, err error) (*account.User, error) {
	if err != nil {
		return nil, fmt.Errorf("load user: %w", err)
	}
	return u, nil
}

func scanUser(row scanner) (*account.User, error) {
	var u account.User
	var s struct { // in one piece
		id                  int64
		groups, direct, all []byte
	}
	err := row.Scan(&s.id, &u.Username, &u.Email, &u.FirstName, &u.LastName, &u.Password,
		&u.IsActive, &u.IsStaff, &u.IsSuperuser, &u.DateJoined, &u.LastLogin, &u.Epoch, &u.EmailProven, &u.Extra.Public, &u.Extra.Private, &u.PasswordWithheld, &u.Language, &s.groups, &s.direct, &s.all)
	if err != nil {
		return nil, err
	}
	u.ID = strconv.FormatInt(s.id, 10)
	if err := errors.Join(names(s.groups, &u.Groups), names(s.direct, &u.UserPermissions), names(s.all, &u.Permissions)); err != nil {
		return nil, fmt.Errorf("read the lists of user %d: %w", s.id, err)
	}
	return &u, nil
}

// names reads a JSON array of strings. An empty text, null and [] mean no names.
func names(array []byte, into *[]string) error {
	if len(array) == 0 || string(array) == "[]" {
		return nil
	}
	return json.Unmarshal(array, into)
}

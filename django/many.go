package django

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// keysOf returns a list of parameters in parentheses for users, the first of which is $1, with their keys. It leaves out IDs that can be no
// user's. The list is empty if none is left.
func (db *DB) keysOf(ids []string) (list string, keys []any) {
	var places []string
	place := "$%d"
	if db.schema.users.integer(db.config.UserKey) { // an ID may be too large for the column
		place = "CAST($%d AS BIGINT)"
	}
	for _, id := range ids {
		if key, err := db.key(id); err == nil {
			keys = append(keys, key)
			places = append(places, fmt.Sprintf(place, len(keys)))
		}
	}
	if len(keys) == 0 {
		return "", nil
	}
	return "(" + strings.Join(places, ", ") + ")", keys
}

// LoadEach locks as locked does, in the order of keys.
func (t accountTx) LoadEach(ids []string) (map[string]*account.User, error) {
	list, keys := t.keysOf(ids)
	if list == "" {
		return nil, t.ctx.Err()
	}
	if t.dialect.lock != "" {
		key := quote(t.config.UserKey)
		locks := []string{`SELECT 1 FROM ` + quote(t.config.UserTable) + ` WHERE ` + key + ` IN ` + list + ` ORDER BY ` + key + t.dialect.lock}
		if t.schema.groups != "" {
			locks = append(locks, `SELECT 1 FROM auth_group g WHERE g.id IN (SELECT m.group_id FROM `+quote(t.schema.groups)+` m
				WHERE m.`+quote(t.schema.member)+` IN `+list+`) ORDER BY g.id`+t.dialect.share+` OF g`)
		}
		for _, lock := range locks {
			if _, err := t.tx.ExecContext(t.ctx, lock, keys...); err != nil {
				return nil, fmt.Errorf("lock users: %w", err)
			}
		}
	}
	found, err := queryAll(t.ctx, t.tx, func(rows *sql.Rows) (*account.User, error) { return t.scanUser(rows.Scan) },
		t.selectUser()+` WHERE u.`+quote(t.config.UserKey)+` IN `+list, keys...)
	if err != nil {
		return nil, fmt.Errorf("load users: %w", err)
	}
	users := map[string]*account.User{}
	for _, u := range found {
		users[u.ID] = u
	}
	return users, nil
}

// Disable ends what a new epoch must end: the epoch itself has no column.
func (t accountTx) Disable(users []*account.User) error {
	if len(users) == 0 {
		return nil
	}
	if !t.schema.users.has("is_active") {
		return errNoIsActive()
	}
	var ids []string
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	list, keys := t.keysOf(ids)
	if len(keys) < len(ids) {
		return account.ErrNotFound
	}
	n, err := affected(t.tx.ExecContext(t.ctx, `UPDATE `+quote(t.config.UserTable)+` SET is_active = $`+strconv.Itoa(len(keys)+1)+
		` WHERE `+quote(t.config.UserKey)+` IN `+list, append(slices.Clone(keys), false)...))
	if err != nil {
		return fmt.Errorf("disable users: %w", err)
	}
	if n < len(ids) {
		return account.ErrNotFound
	}
	for _, table := range tokenTables {
		if !t.schema.tables[table] {
			continue
		}
		if _, err := t.tx.ExecContext(t.ctx, `DELETE FROM `+table+` WHERE user_id IN `+list, keys...); err != nil {
			return fmt.Errorf("delete the users' tokens: %w", err)
		}
	}
	var resets []string
	for _, id := range ids {
		resets = append(resets, t.form.resetRows("user", id)...)
	}
	for some := range slices.Chunk(resets, 500) {
		if _, err := t.accounts.sessions.deleteKeys(t.ctx, t.tx, some); err != nil {
			return fmt.Errorf("void reset secrets: %w", err)
		}
	}
	_, err = t.accounts.sessions.deleteUsers(t.ctx, t.tx, ids, session.ID{})
	return err
}

// DeleteUsers is DeleteUser for many users.
func (t *tokens) DeleteUsers(ctx context.Context, users []string, kinds ...token.Kind) (map[string]int, error) {
	deleted, err := removal.Tokens(ctx, t.Store, users, kinds...)
	if err != nil {
		return nil, err
	}
	list, keys := t.db.keysOf(users)
	for kind, table := range tableOf {
		if list == "" || !t.db.has(kind) || len(kinds) > 0 && !slices.Contains(kinds, kind) {
			continue
		}
		owners, err := queryAll(ctx, t.db.write, func(rows *sql.Rows) (key string, err error) {
			err = rows.Scan(&key)
			return key, err
		}, `DELETE FROM `+table+` WHERE user_id IN `+list+` RETURNING CAST(user_id AS TEXT)`, keys...)
		if err != nil {
			return nil, fmt.Errorf("delete tokens of users: %w", t.db.explained(ctx, err))
		}
		for _, key := range owners {
			deleted[t.db.id(key)]++
		}
	}
	return deleted, nil
}

package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/token"
)

// listOf returns a list of n parameters in parentheses, the first of which is $from.
func listOf(from, n int) string {
	places := make([]string, n)
	for i := range places {
		places[i] = "$" + strconv.Itoa(from+i)
	}
	return "(" + strings.Join(places, ", ") + ")"
}

// loadEachLocked is loadLocked for many users. It locks them in the order of their IDs.
func (a *accounts) loadEachLocked(t tx, ids []any) ([]*account.User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	of := listOf(1, len(ids))
	if a.dialect.ForUpdate != "" {
		if _, err := t.execText(`SELECT 1 FROM users WHERE id IN `+of+` ORDER BY id`+a.dialect.ForUpdate, a.dialect, ids...); err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
	}
	return collect(func() (*sql.Rows, error) {
		return t.queryText(selectUser(a.dialect)+` WHERE u.id IN `+of, a.dialect, ids...)
	}, scanUser)
}

// disable disables users, and gives each the epoch at its place, in one statement.
func (a *accounts) disable(t tx, ids []any, epochs []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, args := make([]string, len(ids)), make([]any, 0, 2*len(ids))
	for i, id := range ids {
		args = append(args, id, epochs[i])
		rows[i] = fmt.Sprintf("(CAST($%d AS BIGINT), CAST($%d AS TEXT))", len(args)-1, len(args))
	}
	n, err := t.execText(`UPDATE users SET is_active = FALSE, epoch = given.column2
		FROM (VALUES `+strings.Join(rows, ", ")+`) AS given WHERE id = given.column1`, a.dialect, args...)
	if err != nil {
		return fmt.Errorf("disable users: %w", err)
	}
	if n < len(ids) {
		return account.ErrNotFound
	}
	return nil
}

// DeleteUsers is DeleteUser for many users.
func (s *sessions) DeleteUsers(ctx context.Context, users []string) (map[string]int, error) {
	n, err := s.dialect.deleteOf(ctx, s.write, "sessions", users, "")
	if err != nil {
		return nil, fmt.Errorf("delete sessions of users: %w", err)
	}
	return n, nil
}

// DeleteUsers is DeleteUser for many users.
func (s *tokens) DeleteUsers(ctx context.Context, users []string, kinds ...token.Kind) (map[string]int, error) {
	and, args := "", []any{}
	if len(kinds) > 0 {
		and = ` AND kind IN ` + listOf(len(users)+1, len(kinds))
		for _, kind := range kinds {
			args = append(args, s.dialect.Bytes(string(kind)))
		}
	}
	n, err := s.dialect.deleteOf(ctx, s.write, "tokens", users, and, args...)
	if err != nil {
		return nil, fmt.Errorf("delete tokens of users: %w", err)
	}
	return n, nil
}

// deleteOf deletes the rows of these users from a table, and returns how many each had. and is a further condition; its parameters follow
// those of the users. Where the database locks row by row, the rows are first locked in the order of IDs, so that this and a batch of Touch
// never wait for each other.
func (d Dialect) deleteOf(ctx context.Context, db *sql.DB, table string, users []string, and string, args ...any) (n map[string]int, err error) {
	if len(users) == 0 {
		return nil, ctx.Err()
	}
	var all []any
	for _, user := range users {
		all = append(all, d.Bytes(user))
	}
	all = append(all, args...)
	where := table + ` WHERE user_id IN ` + listOf(1, len(users)) + and
	err = d.transaction(ctx, db, func(t tx) error {
		n = map[string]int{}
		if d.ForUpdate != "" {
			if _, err := t.execText(`SELECT 1 FROM `+where+` ORDER BY id`+d.ForUpdate, d, all...); err != nil {
				return err
			}
		}
		owners, err := collect(func() (*sql.Rows, error) {
			return t.queryText(`DELETE FROM `+where+` RETURNING user_id`, d, all...)
		}, scanText)
		for _, owner := range owners {
			n[owner]++
		}
		return err
	})
	return n, err
}

func scanText(row scanner) (text string, err error) {
	err = row.Scan(&text)
	return text, err
}

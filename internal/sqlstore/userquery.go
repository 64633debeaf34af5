package sqlstore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"

	"github.com/cloakroom-auth/cloakroom/internal/hint"
	"github.com/cloakroom-auth/cloakroom/session"
)

// userQuery is a query that returns at most one row, whose last columns are [userColumns].
//
// Where a subquery costs even if it isn't run ([Dialect.CostlySubqueries]), a query without the lists of groups and permissions is run
// first. Its last column says whether the user has any; then all is read again with the lists, so that what is returned is always from one
// state of the database.
type userQuery struct {
	whole string
	brief string // without the lists; empty: whole is run at once

	together *groupRead // makes several of the brief queries in one statement; nil: each is a statement of its own

	// listed has the parameters of the queries whose user had lists the last time: for them whole is run at once. A wrong entry costs a query
	// and changes no answer.
	listed *hint.Set
}

// listWidth is the number of columns that are lists.
const listWidth = 3

// briefFields are the columns of a brief query that are the user's.
const briefFields = userFields + `, ` + inGroup + ` OR ` + hasOwn

// users returns the query for a user u that selects other columns before the user's.
func (p *queries) users(others, from string) *userQuery {
	q := &userQuery{whole: p.dialect.Named(`SELECT ` + others + userColumns(p.dialect) + from)}
	if p.dialect.CostlySubqueries {
		q.brief = p.dialect.Named(`SELECT ` + others + briefFields + from)
		q.listed = new(hint.Set)
	}
	return q
}

func (q *userQuery) read(ctx context.Context, d Dialect, scan func(Columns) error, args ...any) error {
	if q.brief == "" {
		return d.ReadRow(ctx, q.whole, scan, args...)
	}
	key := keyOf(args[0])
	if !q.listed.Has(key) {
		lists := false
		err := q.readBrief(ctx, d, func(c Columns) error {
			last := c.Len() - 1
			n, err := c.Int64(last)
			if lists = n != 0; err != nil || lists {
				return err
			}
			return scan(withoutLists{c, last})
		}, args...)
		if err != nil || !lists {
			return err
		}
	}
	return d.ReadRow(ctx, q.whole, func(c Columns) error {
		q.listed.Put(key, hasLists(c))
		return scan(c)
	}, args...)
}

// gather lets brief queries with the IDs of sessions share a statement. Its first column is the ID, and its parameter an array of them.
func (q *userQuery) gather(d Dialect, others, from string) {
	query := d.Named(others + briefFields + from)
	q.together = newGroupRead(func(ctx context.Context, ids [][]byte, scan func(Columns) error) error {
		if len(ids) > 1 {
			return d.ReadRows(ctx, query, ids, scan)
		}
		err := d.ReadRow(ctx, q.brief, scan, ids[0]) // is half the work for the database
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
}

func (q *userQuery) readBrief(ctx context.Context, d Dialect, scan func(Columns) error, args ...any) error {
	if q.together != nil {
		return q.together.read(ctx, session.ID(args[0].([]byte)), scan)
	}
	return d.ReadRow(ctx, q.brief, scan, args...)
}

// keyOf returns the key of a parameter in the set: of the ID of a user, or of a session's, which is a hash.
func keyOf(arg any) uint64 {
	if id, ok := arg.([]byte); ok {
		return binary.LittleEndian.Uint64(id)
	}
	return uint64(arg.(int64))
}

func hasLists(c Columns) bool {
	for i := c.Len() - listWidth; i < c.Len(); i++ {
		if !c.Null(i) {
			return true
		}
	}
	return false
}

// withoutLists is a row of a brief query, with lists that are NULL instead of its last column.
type withoutLists struct {
	Columns
	last int
}

func (w withoutLists) Len() int        { return w.last + listWidth }
func (w withoutLists) Null(i int) bool { return i >= w.last || w.Columns.Null(i) }

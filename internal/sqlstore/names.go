package sqlstore

import (
	"context"
	"database/sql/driver"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// sequence is that of the IDs of users, which one statement of PostgreSQL names.
const sequence = "users_id_seq"

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`)

// tables are the names that the migrations give to tables. None may be the name of a column or of anything else in a statement.
var tables = sync.OnceValue(func() (names []string) {
	files, err := fs.Glob(migrations, path.Join("migrations", "*", "*.sql"))
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(migrations, file)
		if err != nil {
			panic(err) // it is embedded
		}
		for _, m := range createTable.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
})

// tableName matches the name of a table, and what may hold a word like it: a comment and a literal.
var tableName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`--[^\n]*|'(?:[^']|'')*'|\b(?:` + strings.Join(append(slices.Clone(tables()), sequence), "|") + `)\b`)
})

// madeName matches the name of an index or a trigger where it is made or dropped.
var madeName = regexp.MustCompile(`\b((?:CREATE|DROP) (?:UNIQUE )?(?:INDEX|TRIGGER) )(\w+)`)

// Tables returns the names of all tables of the stores, as the statements of the dialect name them.
func (d Dialect) Tables() []string {
	names := slices.Clone(tables())
	if d.Table != nil {
		for i, name := range names {
			names[i] = d.Table(name)
		}
	}
	return names
}

// Named returns a statement with the names that the dialect has for its tables.
func (d Dialect) Named(statement string) string {
	if d.Table == nil {
		return statement
	}
	return tableName().ReplaceAllStringFunc(statement, func(found string) string {
		switch {
		case found == "'"+sequence+"'": // PostgreSQL takes the name of a sequence as a text
			return "'" + d.Table(sequence) + "'"
		case found[0] == '\'' || found[0] == '-':
			return found
		}
		return d.Table(found)
	})
}

// NamedMigrations returns a connector whose connections give the tables, indexes and triggers of migrations the names of the
// dialect. In SQLite, the names of indexes and triggers are those of the whole file.
func (d Dialect) NamedMigrations(c driver.Connector) driver.Connector { return naming{c, d} }

type naming struct {
	driver.Connector
	dialect Dialect
}

func (c naming) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return namingConn{conn.(nestable), c.dialect}, nil
}

type namingConn struct {
	nestable
	dialect Dialect
}

func (c namingConn) named(statement string) string {
	made := madeName.FindAllStringSubmatchIndex(statement, -1)
	for i := len(made) - 1; i >= 0; i-- {
		from, to := made[i][4], made[i][5]
		statement = statement[:from] + c.dialect.Table(statement[from:to]) + statement[to:]
	}
	return c.dialect.Named(statement)
}

func (c namingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.nestable.ExecContext(ctx, c.named(query), args)
}

func (c namingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.nestable.QueryContext(ctx, c.named(query), args)
}

func (c namingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.nestable.PrepareContext(ctx, c.named(query))
}

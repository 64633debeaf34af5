package sqlstore

import (
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

var tableName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:` + strings.Join(append(slices.Clone(tables()), sequence), "|") + `)\b`)
})

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
	return tableName().ReplaceAllStringFunc(statement, d.Table)
}

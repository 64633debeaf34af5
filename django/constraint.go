package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
)

// A project may put constraints of its own on Django's tables: a unique address, a check, a trigger. A write that breaks one
// can't succeed later either, so the error is an [account.InvalidError] and not an outage.

// kind is the kind of constraint that a write has broken.
type kind int

const (
	otherRule  kind = iota // a check, an exclusion, or any other constraint
	uniqueRule             // another row has the same values
	notNull                // a column got no value
	foreignKey             // Django's are deferred, so the commit fails
	badValue               // the column's type doesn't accept the value
	tooLong                // the value has more characters than the column allows
	raised                 // a trigger of the project raised an error
)

// broken describes the constraint that a write has broken, as far as the database names it.
type broken struct {
	kind    kind
	table   string
	columns []string
	name    string // of the constraint
	message string // of the trigger
}

// brokenRule returns the constraint that err is about; false if err is something else, such as an outage.
func (db *DB) brokenRule(ctx context.Context, err error) (broken, bool) {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		b, ok := brokenInPostgres(e)
		if ok && len(b.columns) == 0 && b.name != "" {
			b.columns = db.constrained(ctx, e.SchemaName, b)
		}
		return b, ok
	}
	if e, ok := errors.AsType[*sqlite3.Error](err); ok {
		b, ok := brokenInSQLite(e)
		if ok && len(b.columns) == 0 && b.name != "" {
			db.findRule(ctx, &b)
		}
		return b, ok
	}
	return broken{}, false
}

// brokenInPostgres goes by the error codes of PostgreSQL (appendix A): class 23 is constraints, class 22 values, 44000 is a
// view's WITH CHECK OPTION, and P0001 and P0004 are raised by triggers.
func brokenInPostgres(e *pgconn.PgError) (broken, bool) {
	b := broken{kind: otherRule, table: e.TableName, name: e.ConstraintName}
	if e.ColumnName != "" {
		b.columns = []string{e.ColumnName}
	}
	switch {
	case e.Code == "23502":
		b.kind = notNull
	case e.Code == "23503" || e.Code == "23001":
		b.kind = foreignKey
	case e.Code == "23505":
		b.kind = uniqueRule
	case e.Code == "22001":
		b.kind = tooLong
	case e.Code == "P0001" || e.Code == "P0004":
		b.kind, b.message = raised, e.Message
	case strings.HasPrefix(e.Code, "22"):
		b.kind = badValue
	case strings.HasPrefix(e.Code, "23") || e.Code == "44000":
	default:
		return broken{}, false
	}
	return b, true
}

// brokenInSQLite goes by SQLite's extended result codes, and by its messages, which name columns, an index or a constraint.
func brokenInSQLite(e *sqlite3.Error) (broken, bool) {
	_, detail, _ := strings.Cut(e.Error(), "constraint failed: ")
	detail = strings.TrimSpace(resultCode.ReplaceAllString(detail, ""))
	_, about, _ := strings.Cut(detail, "constraint failed: ")
	b := broken{kind: otherRule}
	switch e.Code() {
	case sqlitelib.SQLITE_CONSTRAINT_NOTNULL:
		b.kind = notNull
		b.table, b.columns = columnsIn(about)
	case sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY:
		b.kind = foreignKey
	case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY, sqlitelib.SQLITE_CONSTRAINT_ROWID:
		b.kind = uniqueRule
		if index, ok := strings.CutPrefix(about, "index "); ok {
			b.name = strings.Trim(index, "'")
		} else {
			b.table, b.columns = columnsIn(about)
		}
	case sqlitelib.SQLITE_CONSTRAINT_CHECK:
		b.name = about
	case sqlitelib.SQLITE_CONSTRAINT_DATATYPE, sqlitelib.SQLITE_MISMATCH, sqlitelib.SQLITE_TOOBIG:
		b.kind = badValue
	case sqlitelib.SQLITE_CONSTRAINT_TRIGGER:
		b.kind, b.message = raised, detail
	default:
		return b, e.Code()&0xff == sqlitelib.SQLITE_CONSTRAINT
	}
	return b, true
}

// resultCode matches the end of the driver's messages.
var resultCode = regexp.MustCompile(` \(\d+\)$`)

// columnsIn parses "table.one, table.two".
func columnsIn(text string) (table string, columns []string) {
	for part := range strings.SplitSeq(text, ", ") {
		name, column, _ := strings.Cut(part, ".")
		table, columns = name, append(columns, column)
	}
	return table, columns
}

// constrained returns the columns that a constraint or unique index of PostgreSQL covers, including those in its
// expressions; nil if they can't be found out.
func (db *DB) constrained(ctx context.Context, schema string, b broken) []string {
	columns, err := queryAll(ctx, db.read, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, `SELECT DISTINCT a.attname FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
		WHERE n.nspname = $1 AND t.relname = $2 AND (
			EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conrelid = t.oid AND c.conname = $3 AND a.attnum = ANY (c.conkey))
			OR EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class i ON i.oid = d.objid AND d.classid = 'pg_class'::regclass
				JOIN pg_index x ON x.indexrelid = i.oid AND x.indrelid = t.oid
				WHERE i.relname = $3 AND d.refobjid = t.oid AND d.refobjsubid = a.attnum))
		ORDER BY a.attname`, schema, b.table, b.name)
	if err != nil {
		return nil
	}
	return columns
}

// findRule finds an index or check of SQLite by its name, or by its expression if it has no name. It sets the table, and
// those of its columns that the expression mentions.
func (db *DB) findRule(ctx context.Context, b *broken) {
	type definition struct{ table, text string }
	found, err := queryAll(ctx, db.read, func(rows *sql.Rows) (d definition, err error) {
		err = rows.Scan(&d.table, &d.text)
		return d, err
	}, `SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND (type = 'index' AND name = $1 OR type = 'table' AND instr(sql, $1) > 0)`, b.name)
	if err != nil {
		return
	}
	for _, d := range found {
		expression, ok := ruleText(d.text, b.name)
		if !ok {
			continue
		}
		t, err := readTable(ctx, db.read, db.dialect, d.table)
		if err != nil {
			return
		}
		b.table = d.table
		for _, column := range t.names() {
			if slices.Contains(words.FindAllString(expression, -1), column) {
				b.columns = append(b.columns, column)
			}
		}
		return
	}
}

var words = regexp.MustCompile(`\w+`)

// ruleText returns what an index covers, or what a check demands, from the statement that created it.
func ruleText(statement, name string) (string, bool) {
	if strings.HasPrefix(strings.ToUpper(statement), "CREATE UNIQUE INDEX") {
		_, over, ok := strings.Cut(statement, " ON ")
		_, over, _ = strings.Cut(over, "(")
		return over, ok
	}
	at := strings.Index(statement, `"`+name+`" CHECK`)
	if at < 0 {
		return name, true // the check has no name, and the message repeats the expression
	}
	rest := statement[at:]
	open := strings.IndexByte(rest, '(')
	for i, depth := open, 0; i >= 0 && i < len(rest); i++ {
		switch rest[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return rest[open:i], true
			}
		}
	}
	return "", false
}

// explained returns err, or, if the write broke a constraint of the project's tables, an error that says so to the user:
// *[account.TakenError] or *[account.InvalidError].
func (db *DB) explained(ctx context.Context, err error) error {
	if b, ok := db.brokenRule(ctx, err); ok {
		return db.refusal(b)
	}
	return err
}

// explainedDeletion is explained for a write that removes the row of a user or a group.
func (db *DB) explainedDeletion(ctx context.Context, err error, of string) error {
	b, ok := db.brokenRule(ctx, err)
	if !ok || b.kind != foreignKey {
		return db.explained(ctx, err)
	}
	message := "Rows of the project's own tables refer to this " + of + b.where() + ", and only Django knows what to do with them. " +
		"Delete the " + of + " in Django."
	if of == "user" {
		message = strings.TrimSuffix(message, ".") + ", or disable it."
	}
	return onlyDjangoCan("protected", message)
}

// where names the table and the columns, for the end of a sentence.
func (b broken) where() string {
	switch {
	case b.table == "":
		return ""
	case len(b.columns) == 0:
		return " (" + b.table + ")"
	}
	return " (" + b.table + "." + strings.Join(b.columns, ", ") + ")"
}

// refusal returns the error that tells a user about a broken constraint.
func (db *DB) refusal(b broken) error {
	fields := db.fieldsOf(b)
	one := ""
	if len(fields) == 1 {
		one = fields[0]
	}
	switch b.kind {
	case uniqueRule:
		switch {
		case one == "username" || one == "email":
			return &account.TakenError{Field: one}
		case one != "":
			return wrongField(one, "unique", "This field must be unique.")
		case len(fields) > 1:
			return onlyDjangoCan("unique", "The fields "+strings.Join(fields, ", ")+" must make a unique set.")
		}
		return onlyDjangoCan("unique", "Another row of the project's tables has the same value"+b.where()+".")
	case notNull:
		if one != "" {
			return wrongField(one, "null", "This field may not be null.")
		}
		if b.table == db.config.UserTable {
			return onlyDjangoCan("incomplete", "The project's user table has a column that only Django can fill"+b.where()+". Create the user in Django.")
		}
		return onlyDjangoCan("incomplete", "The project's table has a column that only Django can fill"+b.where()+".")
	case foreignKey:
		return onlyDjangoCan("does_not_exist", "The project's tables refer to a row that doesn't exist"+b.where()+".")
	case tooLong:
		return wrongField(or(one, nonField), "max_length", "A value has more characters than the project's tables allow.")
	case badValue:
		return wrongField(or(one, nonField), "invalid", "The project's tables don't accept this value"+b.where()+".")
	case raised:
		return onlyDjangoCan("refused", "The project's database refuses this: "+b.message)
	}
	rule := "a rule"
	if b.name != "" {
		rule = fmt.Sprintf("the rule %q", b.name)
	}
	return wrongField(or(one, nonField), "invalid", "This breaks "+rule+" of the project's tables.")
}

// fieldsOf returns the JSON names of the fields that the columns of a constraint hold; nil unless each column holds a field.
func (db *DB) fieldsOf(b broken) []string {
	var fields []string
	for _, column := range b.columns {
		name := db.fieldOf(b.table, column)
		if name == "" {
			return nil
		}
		fields = append(fields, name)
	}
	return fields
}

// fieldOf returns the JSON name of the field that a column holds; "" if it holds none.
func (db *DB) fieldOf(table, column string) string {
	switch {
	case table == "auth_group" && column == "name":
		return "name"
	case table != db.config.UserTable:
		return ""
	case column == db.config.UserLogin && !db.loginIsEmail():
		return "username"
	case slices.ContainsFunc(db.fields(), func(f field) bool { return f.column == column }):
		return column
	}
	return ""
}

const nonField = "non_field_errors"

func wrongField(field, code, message string) error {
	return &account.InvalidError{Fields: map[string][]password.Problem{field: {{Code: code, Message: message}}}}
}

// onlyDjangoCan returns an error for a write that the project's tables refuse because they demand more than this package can
// do. Retrying doesn't help.
func onlyDjangoCan(code, message string) error { return wrongField(nonField, code, message) }

// declaredLength finds the length in the type of a column: varchar(150), character varying(150).
var declaredLength = regexp.MustCompile(`char.*\((\d+)\)$`)

// checkLength returns an error if a text has more characters than the type of its column allows. PostgreSQL would refuse it
// without naming the column; SQLite would accept it, and Django's own forms would not.
func (db *DB) checkLength(f field, value any) error {
	text, ok := value.(string)
	found := declaredLength.FindStringSubmatch(db.schema.users.columns[f.column])
	if f.kind != "text" || !ok || found == nil {
		return nil
	}
	limit, err := strconv.Atoi(found[1])
	if err != nil || utf8.RuneCountInString(text) <= limit {
		return nil
	}
	if f.column == "password" {
		return wrongField("password", "max_length", fmt.Sprintf("The hash of the password is longer than the %d characters that the project's column allows.", limit))
	}
	return wrongField(db.fieldOf(db.config.UserTable, f.column), "max_length", fmt.Sprintf("Ensure this field has no more than %d characters.", limit))
}

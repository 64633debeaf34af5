package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// schema describes Django's tables as they were found.
type schema struct {
	tables      map[string]bool
	users       table
	uuid        bool            // the users' primary key is a UUID
	groups      string          // the table that joins users and groups; "": none
	permissions string          // the table that joins users and permissions
	member      string          // the column for the user in both
	tokens      map[string]bool // the tables of tokens with a supported layout
}

// table is a table with the types of its columns.
type table struct {
	name    string
	columns map[string]string
}

func (t table) has(column string) bool { return t.columns[column] != "" }

func readSchema(ctx context.Context, q querier, d dialect, c Config) (*schema, error) {
	names, err := queryAll(ctx, q, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, d.tables)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	s := &schema{tables: map[string]bool{}}
	for _, name := range names {
		s.tables[name] = true
	}
	if !s.tables[c.SessionTable] && !c.UsersOnly {
		return nil, fmt.Errorf("there is no table %s: run manage.py migrate with django.contrib.sessions installed, or configure the table's name",
			c.SessionTable)
	}
	if s.users, err = readTable(ctx, q, d, c.UserTable); err != nil {
		return nil, err
	}
	if err := s.checkUsers(c); err != nil {
		return nil, err
	}
	kind := s.users.columns[c.UserKey]
	s.uuid = kind == "uuid" || kind == "char(32)"
	if err := s.findTokens(ctx, q, d); err != nil {
		return nil, err
	}
	return s, s.findJoins(ctx, q, d, c)
}

// tokenColumns are the columns of the token tables of REST framework and knox.
var tokenColumns = map[string][]string{
	"authtoken_token": {"key", "user_id", "created"},
	"knox_authtoken":  {"digest", "token_key", "user_id", "created", "expiry"},
}

// findTokens finds the token tables with a supported layout. Before 5.0, when its column for the beginning of a token had
// eight characters, knox hashed tokens in another way, and before 4.2 with a salt. Today's knox doesn't accept such tokens
// either.
func (s *schema) findTokens(ctx context.Context, q querier, d dialect) error {
	s.tokens = map[string]bool{}
	for name, columns := range tokenColumns {
		if !s.tables[name] {
			continue
		}
		t, err := readTable(ctx, q, d, name)
		if err != nil {
			return err
		}
		missing := slices.ContainsFunc(columns, func(column string) bool { return !t.has(column) })
		s.tokens[name] = !missing && !t.has("salt") && !strings.HasSuffix(t.columns["token_key"], "(8)")
	}
	return nil
}

func readTable(ctx context.Context, q querier, d dialect, name string) (table, error) {
	t := table{name, map[string]string{}}
	_, err := queryAll(ctx, q, func(rows *sql.Rows) (struct{}, error) {
		var column, kind string
		err := rows.Scan(&column, &kind)
		t.columns[column] = kind
		return struct{}{}, err
	}, d.columns, name)
	if err != nil {
		return t, fmt.Errorf("read the columns of table %s: %w", name, err)
	}
	return t, nil
}

func (s *schema) checkUsers(c Config) error {
	if len(s.users.columns) == 0 {
		return fmt.Errorf("there is no table %s: run manage.py migrate, or configure the table of AUTH_USER_MODEL", c.UserTable)
	}
	for _, column := range []string{c.UserKey, c.UserLogin, "password"} {
		if !s.users.has(column) {
			return fmt.Errorf("table %s has no column %s, but %s", c.UserTable, column, strings.Join(s.users.names(), ", "))
		}
	}
	return nil
}

func (t table) names() []string {
	var names []string
	for name := range t.columns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// findJoins finds the tables of PermissionsMixin's many-to-many fields, and the name of their column for the user.
func (s *schema) findJoins(ctx context.Context, q querier, d dialect, c Config) error {
	if !s.tables["auth_group"] || !s.tables["auth_permission"] || !s.tables["django_content_type"] {
		return nil
	}
	for _, join := range []struct {
		name, other string
		into        *string
	}{{c.UserTable + "_groups", "group_id", &s.groups}, {c.UserTable + "_user_permissions", "permission_id", &s.permissions}} {
		if !s.tables[join.name] {
			continue
		}
		t, err := readTable(ctx, q, d, join.name)
		if err != nil {
			return err
		}
		*join.into = join.name
		for column := range t.columns {
			if column != "id" && column != join.other {
				s.member = column
			}
		}
	}
	return nil
}

// errNoKey says that a text can't be a user's primary key.
var errNoKey = errors.New("not a primary key")

// key returns a user's ID as the database has it. It accepts only the spelling that Django itself gives an ID.
func (db *DB) key(id string) (string, error) {
	if !db.schema.uuid {
		if id == "" || !isText(id) || db.schema.users.integer(db.config.UserKey) && !db.numbersUser(id) {
			return "", errNoKey
		}
		return id, nil
	}
	if !isUUID(id) {
		return "", errNoKey
	}
	if db.dialect.postgres {
		return id, nil
	}
	return strings.ReplaceAll(id, "-", ""), nil
}

// id returns a user's ID as Django's sessions have it, from the primary key as text.
func (db *DB) id(key string) string {
	if db.schema.uuid && len(key) == 32 {
		return key[:8] + "-" + key[8:12] + "-" + key[12:16] + "-" + key[16:20] + "-" + key[20:]
	}
	return key
}

func (t table) integer(column string) bool { return strings.Contains(t.columns[column], "int") }

// numbersUser reports whether an ID is a number that the column of users' keys can hold. PostgreSQL would refuse a statement with a greater
// one, which would look like an outage.
func (db *DB) numbersUser(id string) bool {
	if !decimal(id) {
		return false
	}
	bits := 64
	if db.dialect.postgres {
		bits = map[string]int{"smallint": 16, "integer": 32, "bigint": 64}[db.schema.users.columns[db.config.UserKey]]
	}
	_, err := strconv.ParseInt(id, 10, bits)
	return err == nil
}

// decimal accepts a positive number below 10^18 without leading zeros.
func decimal(s string) bool {
	return s != "" && len(s) < 19 && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && strings.IndexByte("0123456789abcdef", c) < 0 {
			return false
		}
	}
	return true
}

package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
)

// dialPostgres returns a dialer for Django's database. Row-level security must not hide rows of the tables.
func dialPostgres(address string, tables ...string) (*pg.Dialer, error) {
	for i, table := range tables {
		tables[i] = quote(table)
	}
	d, err := pg.Open(address, tables...)
	if err != nil {
		return nil, fmt.Errorf("the address of Django's database: %w", err)
	}
	return d, nil
}

// postgresTables are Django's tables that are used. Those that don't exist don't matter.
func (c *Config) postgresTables() []string {
	return []string{
		c.SessionTable, c.UserTable, c.UserTable + "_groups", c.UserTable + "_user_permissions", "auth_group",
		"auth_group_permissions", "auth_permission", "django_content_type", "authtoken_token", "knox_authtoken",
	}
}

// errPooled says that a connection needed for LISTEN goes through a pooler.
var errPooled = errors.New("the connection goes through a pooler, which doesn't pass on notifications; " +
	"give the server's own address as Config.DB")

// errPooledSchema says that a pooler doesn't pass on the search path, so the schema of Cloakroom's tables is out of reach.
var errPooledSchema = errors.New("the connection goes through a pooler, which can't be used for Cloakroom's own schema; " +
	"also give the server's own address: Config.Feed postgres://…")

// OwnSchema is the schema of a PostgreSQL database of Django's that holds Cloakroom's own tables.
const OwnSchema = "cloakroom"

// CreateOwnSchema creates [OwnSchema] in a PostgreSQL database, unless it is there already. Only Database is used. If the address
// sets that schema as its search path, the connection must have it: an error says that a pooler in between drops it.
func (c Config) CreateOwnSchema(ctx context.Context) error {
	d, err := dialPostgres(c.Database)
	if err != nil {
		return fmt.Errorf("create the schema %s: %w", OwnSchema, err)
	}
	db := d.Pool()
	defer db.Close()
	err = checkSearchPath(ctx, db, d.Address().SearchPath())
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.Contains(refused.Message, "startup parameter") {
		return errPooledSchema
	}
	if err != nil {
		return err
	}
	var there bool
	err = db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, OwnSchema).Scan(&there)
	if err == nil && !there {
		_, err = db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+OwnSchema)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return fmt.Errorf("create the schema %s for Cloakroom's own tables: %w. Ask the database's owner to create it:  "+
			"CREATE SCHEMA %[1]s AUTHORIZATION (the role of Config.DB)", OwnSchema, err)
	}
	if err != nil {
		return fmt.Errorf("create the schema %s: %w", OwnSchema, err)
	}
	return nil
}

// checkSearchPath checks that a connection has the search path that the address asks for, if that is our schema.
func checkSearchPath(ctx context.Context, db *sql.DB, wanted string) error {
	if wanted != OwnSchema {
		return nil
	}
	// Newer versions of PgBouncer pass on the search path, but LISTEN doesn't work behind any pooler.
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("look for a pooler: %w", err)
	}
	defer conn.Close()
	pooled := false
	err = conn.Raw(func(driver any) error {
		pooled = driver.(*pg.Conn).Pooled()
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for a pooler: %w", err)
	}
	if pooled {
		return errPooledSchema
	}
	var path string
	if err := conn.QueryRowContext(ctx, `SELECT current_setting('search_path')`).Scan(&path); err != nil {
		return fmt.Errorf("read the search path: %w", err)
	}
	if path != OwnSchema {
		return errPooledSchema
	}
	return nil
}

package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cloakroom-auth/cloakroom/internal/pgdial"
)

// dialPostgres returns what connects to a database of Django's, whose tables must be seen whole.
func dialPostgres(address string, tables ...string) (*pgdial.Dialer, error) {
	for i, table := range tables {
		tables[i] = quote(table)
	}
	d, err := pgdial.Open(address, tables...)
	if err != nil {
		return nil, fmt.Errorf("the address of Django's database: %w", err)
	}
	return d, nil
}

// postgresTables are those of Django's that are used. What isn't there doesn't matter.
func (c *Config) postgresTables() []string {
	return []string{
		c.SessionTable, c.UserTable, c.UserTable + "_groups", c.UserTable + "_user_permissions", "auth_group",
		"auth_group_permissions", "auth_permission", "django_content_type", "authtoken_token", "knox_authtoken",
	}
}

// errPooled says that a pooler is where nobody may stand.
var errPooled = errors.New("a pooler stands between us and the server, which would keep what LISTEN brings; " +
	"give the server's own address as Config.DB")

// errPooledSchema says that a pooler hides our schema: connections through it begin with the search path of all.
var errPooledSchema = errors.New("a pooler stands between us and the server, through which what is ours alone can't be kept apart from Django's; " +
	"give the server's own address besides: Config.Feed postgres://…")

// Schema is the schema of a PostgreSQL database of Django's in which everything is that is ours alone.
const Schema = "cloakroom"

// CreateSchema creates [Schema] in a PostgreSQL database, unless it is there already. Only Database is used. If the address
// sets that schema as its search path, the connection must have it: an error says that a pooler in between drops it.
func (c Config) CreateSchema(ctx context.Context) error {
	d, err := dialPostgres(c.Database)
	if err != nil {
		return fmt.Errorf("create the schema %s: %w", Schema, err)
	}
	db := d.Pool()
	defer db.Close()
	err = leadsThere(ctx, db, d.Address().SearchPath())
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.Contains(refused.Message, "startup parameter") {
		return errPooledSchema
	}
	if err != nil {
		return err
	}
	var there bool
	err = db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, Schema).Scan(&there)
	if err == nil && !there {
		_, err = db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+Schema)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return fmt.Errorf("create the schema %s, for what is ours alone: %w. Let who owns the database make it: "+
			"CREATE SCHEMA %[1]s AUTHORIZATION (the role of Config.DB)", Schema, err)
	}
	if err != nil {
		return fmt.Errorf("create the schema %s: %w", Schema, err)
	}
	return nil
}

func leadsThere(ctx context.Context, db *sql.DB, wanted string) error {
	if wanted != Schema {
		return nil
	}
	// A newer PgBouncer takes the search path along, but nothing that waits for notices may stand behind one.
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("look for a pooler: %w", err)
	}
	defer conn.Close()
	pooled := false
	err = conn.Raw(func(driver any) error {
		pooled = driver.(*pgdial.Conn).Pooled()
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
		return fmt.Errorf("look at the search path: %w", err)
	}
	if path != Schema {
		return errPooledSchema
	}
	return nil
}

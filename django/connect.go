package django

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const connectTimeout = 3 * time.Second // where the address doesn't say

// openPostgres returns a pool of connections on which a commit waits for the disk. Behind a pooler, where each transaction
// may get another process of the server, they prepare no statements and set nothing.
func openPostgres(ctx context.Context, address string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the address of Django's database is not of the form postgres://user@host:5432/name") // err may hold the password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	pooled, err := isPooled(ctx, config)
	if err != nil {
		return nil, err
	}
	if pooled && !strings.Contains(address, "default_query_exec_mode=") {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	db := sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		return settle(ctx, conn, pooled)
	})))
	conns := max(10, 2*runtime.GOMAXPROCS(0))
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, nil
}

// isPooled reports whether a pooler is in between: it gives itself away by a process ID that is not the server's.
func isPooled(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return behindPooler(ctx, conn)
}

func behindPooler(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return false, fmt.Errorf("look at the server: %w", err)
	}
	return pid != conn.PgConn().PID(), nil
}

// settle refuses a connection on which a commit would not be one.
func settle(ctx context.Context, conn *pgx.Conn, pooled bool) error {
	var commit string
	var standby bool
	err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), pg_is_in_recovery()`, pgx.QueryExecModeExec).Scan(&commit, &standby)
	switch {
	case err != nil:
		return fmt.Errorf("look at the server: %w", err)
	case standby:
		return errors.New("this is a standby, which lags behind; give the address of the primary")
	case commit != "off":
		return nil
	case pooled: // what is set here would stick to whoever gets the server's process next
		return errors.New("synchronous_commit is off: a power cut would bring ended sessions back. Run: ALTER ROLE … SET synchronous_commit = on")
	}
	_, err = conn.Exec(ctx, `SET synchronous_commit = on`)
	return err
}

// errPooled says that a pooler is where nobody may stand.
var errPooled = errors.New("a pooler stands between us and the server, which would keep what LISTEN brings; " +
	"give the server's own address as Config.DB")

// errPooledSchema says that a pooler hides our schema: connections through it begin with the search path of all.
var errPooledSchema = errors.New("a pooler stands between us and the server, through which what is ours alone can't be kept apart from Django's; " +
	"give the server's own address besides: Config.Feed postgres://…")

// OurSchema is the schema of a PostgreSQL database of Django's in which everything is that is ours alone.
const OurSchema = "cloakroom"

// MakeSchema makes [OurSchema], unless it is there. An address with that for a search path must lead there: an error says
// that a pooler is in between, which doesn't let it.
func MakeSchema(ctx context.Context, address string) error {
	db, err := openPostgres(ctx, address)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.Contains(refused.Message, "startup parameter") {
		return errPooledSchema
	}
	if err != nil {
		return fmt.Errorf("make the schema %s: %w", OurSchema, err)
	}
	defer db.Close()
	if err := leadsThere(ctx, db, address); err != nil {
		return err
	}
	var there bool
	err = db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, OurSchema).Scan(&there)
	if err == nil && !there {
		_, err = db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+OurSchema)
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" {
		return fmt.Errorf("make the schema %s, for what is ours alone: %w. Let who owns the database make it: "+
			"CREATE SCHEMA %[1]s AUTHORIZATION (the role of Config.DB)", OurSchema, err)
	}
	if err != nil {
		return fmt.Errorf("make the schema %s: %w", OurSchema, err)
	}
	return nil
}

func leadsThere(ctx context.Context, db *sql.DB, address string) error {
	config, err := pgx.ParseConfig(address)
	if err != nil || config.RuntimeParams["search_path"] != OurSchema {
		return err
	}
	var path string
	if err := db.QueryRowContext(ctx, `SELECT current_setting('search_path')`).Scan(&path); err != nil {
		return fmt.Errorf("look at the search path: %w", err)
	}
	if path != OurSchema {
		return errPooledSchema
	}
	return nil
}

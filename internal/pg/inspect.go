package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// server is what was found about a server when a connection was made.
type server struct {
	pooled bool // there is a pooler in between, which is recognised by its process ID
	tells  bool // it reports by itself that it turns read-only: PostgreSQL 14 and later, without a pooler
}

// inspection is the query that inspects a server, given our server process and the expression of [hidden]. It sets what it can:
// that a commit waits for the disk, and that hiding rows by row security is an error. Behind a pooler it can't, since the
// settings would stay for the next client of the server process. own says that no one else uses the connection.
func inspection(pid uint32, hidden string, own bool) string {
	return fmt.Sprintf(`SELECT pg_backend_pid(), current_setting('synchronous_commit'), current_setting('server_encoding'),
		pg_is_in_recovery(), current_setting('transaction_read_only'), coalesce(%s, ''),
		CASE WHEN %t AND pg_backend_pid() = %d THEN set_config('row_security', 'off', false) ||
			CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) ELSE '' END END`,
		hidden, own, pid)
}

// recheck is the query for what may have changed, on a server that doesn't report it.
func recheck(hidden string) string {
	return `SELECT current_setting('transaction_read_only'), coalesce(` + hidden + `, '')`
}

// hidden returns the expression for a table in which row security hides rows.
func hidden(tables []string) string {
	if len(tables) == 0 {
		return "''"
	}
	quoted := make([]string, len(tables))
	for i, table := range tables {
		quoted[i] = "'" + strings.ReplaceAll(table, "'", "''") + "'"
	}
	return `(SELECT t FROM unnest(ARRAY[` + strings.Join(quoted, ", ") + `]::text[]) AS t
		WHERE row_security_active(to_regclass(t)::oid) LIMIT 1)`
}

// ErrReadOnly means that the server has turned read-only. Its answers must not be used.
var ErrReadOnly = errors.New("the database's server has become read-only")

func hides(table string) error {
	return fmt.Errorf("row security hides rows of the table %s from this role. "+
		"Let the role own the tables, or run: ALTER TABLE %[1]s DISABLE ROW LEVEL SECURITY", table)
}

// inspect returns an error for a server on which a promise would not hold.
func inspect(ctx context.Context, conn *pgconn.PgConn, hidden string, own bool) (s server, err error) {
	row, err := one(ctx, conn, inspection(conn.PID(), hidden, own), 7)
	if err != nil {
		return s, fmt.Errorf("look at the server: %w", err)
	}
	pid, commit, encoding, standby, readOnly, table := row[0], row[1], row[2], row[3], row[4], row[5]
	s.pooled = pid != fmt.Sprint(conn.PID())
	s.tells = !s.pooled && conn.ParameterStatus("in_hot_standby") != ""
	switch {
	case standby == "t":
		return s, errors.New("this is a standby, which lags behind; give the address of the primary")
	case readOnly == "on":
		return s, errors.New("this server is read-only (default_transaction_read_only); give the address of the primary")
	case encoding != "UTF8":
		return s, fmt.Errorf("the database's encoding is %s, and must be UTF8", encoding)
	case table != "":
		return s, hides(table)
	case commit == "off" && (s.pooled || !own):
		return s, errors.New("synchronous_commit is off: a power cut would bring ended sessions back. " +
			"Run: ALTER ROLE … SET synchronous_commit = on")
	}
	return s, nil
}

// one runs a query that returns one row of so many texts.
func one(ctx context.Context, conn *pgconn.PgConn, query string, columns int) ([]string, error) {
	results, err := conn.Exec(ctx, query).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != columns {
		return nil, errors.New("the answer is to another question")
	}
	row := make([]string, columns)
	for i, value := range results[0].Rows[0] {
		row[i] = string(value)
	}
	return row, nil
}

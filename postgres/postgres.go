// Package postgres keeps all stores in a PostgreSQL database.
//
// An acknowledged write is on the server's disk: a commit waits for it, and a server that doesn't guarantee this is refused.
// Any number of processes on any number of machines may use the database at once, and each sees the others' commits with its
// next read. All must connect to the primary: a standby lags behind, and is refused.
//
// Connections may go through a pooler such as PgBouncer, also in transaction mode, because no setting outlives its transaction.
package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
	"github.com/cloakroom-auth/cloakroom/store"
)

// DB is a set of stores in one database. It is safe for concurrent use.
//
// A call ends with its context, whatever the network does; its connection is then closed, so that no other call reads its
// answer. Transactions that the server rolled back, for example after a deadlock, are repeated, and so are reads whose
// connection was lost. A write whose connection was lost before the answer arrived returns an error although it may have been
// done.
//
// A user's ID is never used again, not even after a deletion.
type DB struct {
	store.Set
	health *sqlstore.DB
	pool   *sql.DB
}

// Open connects to the database at url (postgres://user:password@host:port/name?options, with the options of libpq) and brings its schema
// up to date as [Migrate] does. The environment variables of libpq (PGPASSFILE, PGSSLROOTCERT …) are the defaults of the options. Several
// hosts, separated by commas, are tried in turn, each for connect_timeout (3 seconds by default) and half a second before the next one, and
// the first that accepts writes is used. The option pool_max_conns bounds the open connections. No error holds the password.
func Open(ctx context.Context, url string) (*DB, error) {
	p, err := at(url)
	if err != nil {
		return nil, err
	}
	return p.open(ctx)
}

// ErrNoTables reports that a database has no tables of this program.
var ErrNoTables = errors.New("there are no tables of Cloakroom")

// OpenExisting is [Open] for a database that has been migrated before. It returns ErrNoTables for another, and leaves that as it is.
func OpenExisting(ctx context.Context, url string) (*DB, error) {
	p, err := at(url)
	if err != nil {
		return nil, err
	}
	p.mustExist = true
	return p.open(ctx)
}

// Pool is a program's own pool of connections, and where in its database the tables are: beside the program's own, which can refer to
// users with foreign keys.
//
// Each statement borrows one connection and names its tables with their schema, so no setting of a connection is changed or relied
// upon. A transaction borrows one until it ends. A pool is refused whose connections don't wait for the disk (synchronous_commit is
// off), lead to a standby, or hide rows of the tables by row security; each connection is looked at when it is first borrowed. What
// a connection may wait for, and for how long, is up to the pool.
type Pool struct {
	// Conns are the connections: two or more. They stay open until the program closes them.
	Conns *pgxpool.Pool

	// Schema is a name of letters a to z, digits and underscores. Open creates the schema if it is missing. "": cloakroom.
	Schema string
}

// Open opens the database, and brings the schema up to date as [Migrate] does. [DB.Close] gives back what was borrowed, and closes
// no connection.
func (p Pool) Open(ctx context.Context) (*DB, error) {
	in, err := p.place()
	if err != nil {
		return nil, err
	}
	return in.open(ctx)
}

// Migrate is [Migrate] for the schema.
func (p Pool) Migrate(ctx context.Context) (applied []string, err error) {
	in, err := p.place()
	if err != nil {
		return nil, err
	}
	return in.migrate(ctx)
}

// Pending is [Pending] for the schema.
func (p Pool) Pending(ctx context.Context) (names []string, empty bool, err error) {
	in, err := p.place()
	if err != nil {
		return nil, false, err
	}
	return in.pending(ctx)
}

// InspectServer is [InspectServer] for the server that the connections lead to.
func (p Pool) InspectServer(ctx context.Context) (Settings, error) {
	in, err := p.place()
	if err != nil {
		return Settings{}, err
	}
	return in.inspect(ctx)
}

// String returns the address of the database without the password and the options, and the schema.
func (p Pool) String() string {
	in, err := p.place()
	if err != nil {
		return "a pool that can't be used"
	}
	return in.String()
}

// schemaName is a name that means the same with and without quotes, but for SQL's key words.
var schemaName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
})

// SchemaName returns the schema.
func (p Pool) SchemaName() string { return cmp.Or(p.Schema, "cloakroom") }

func (p Pool) place() (place, error) {
	schema := p.SchemaName()
	if !schemaName().MatchString(schema) || strings.HasPrefix(schema, "pg_") {
		return place{}, fmt.Errorf("%q is no name of a schema: give up to 63 of the letters a to z, digits and underscores", schema)
	}
	in := place{schema: schema, dialect: dialectIn(schema)}
	var err error
	in.dialer, err = pg.Borrow(p.Conns, in.tables()...)
	return in, err
}

// place is where the tables are.
type place struct {
	dialer  *pg.Dialer
	schema  string // "": the one that the search path of the connections begins with
	dialect sqlstore.Dialect

	mustExist bool // it is an error if there are no tables
}

// at returns the place at an address.
func at(url string) (place, error) {
	in := place{dialect: dialect}
	var err error
	in.dialer, err = pg.Open(url, in.tables()...)
	return in, err
}

func (p place) String() string {
	if p.schema == "" {
		return p.dialer.Address().String()
	}
	return p.dialer.Address().String() + ", schema " + p.schema
}

// tables returns the names of all tables, which need not exist yet.
func (p place) tables() []string { return append(p.dialect.Tables(), p.dialect.Versions) }

func (p place) open(ctx context.Context) (*DB, error) {
	db := &DB{pool: p.dialer.Pool()}
	if _, err := p.migrateIfOld(ctx, db.pool); err != nil {
		return nil, errors.Join(err, db.pool.Close())
	}
	d := p.dialect
	d.ReadRow, d.ReadRows = readRow(db.pool), readRows(db.pool)
	db.health = sqlstore.New(db.pool, db.pool, d)
	db.Set = db.health.Set
	return db, nil
}

// RedactURL returns the address of a database without the password and the options. An error means that url is no address, and
// quotes nothing of it.
func RedactURL(url string) (string, error) {
	a, err := pg.ParseAddress(url)
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

// Close ends all connections. The DB must not be used afterwards.
func (db *DB) Close() error { return db.pool.Close() }

// Ping reads from the database and commits a small write to it, which waits for the disk like any other write. Only such a
// write shows that sign-ins and sign-outs are possible. A caller that answers anonymous requests should call it at most once a
// second.
func (db *DB) Ping(ctx context.Context) error { return db.health.Ping(ctx) }

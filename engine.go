package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// database is the stores that a [Server] works with.
type database interface {
	Sessions() session.Store
	Accounts() account.Store
	Tokens() token.Store
	Throttles() throttle.Store
	Keys() keyring.Store
	Audit() audit.Store
	Ping(ctx context.Context) error
	Close() error
}

// engine is a database of some kind at some address, be it there or not. Its String is for people, and holds no password.
type engine interface {
	fmt.Stringer
	open(ctx context.Context) (database, error)
	migrate(ctx context.Context) (applied []string, err error)
	pending(ctx context.Context) (names []string, err error)
	missing(ctx context.Context) (bool, error)
}

// engines are the kinds of databases, by how --db begins.
var engines = []struct {
	scheme string
	form   string // of the whole; "": another has been named
	parse  func(address string) (engine, error)
}{
	{"sqlite:", "sqlite:PATH", parseSQLite},
	{"postgres://", "postgres://USER@HOST/NAME", parsePostgres},
	{"postgresql://", "", parsePostgres},
}

// engine returns what --db names.
func (c *Config) engine() (engine, error) {
	if c.DB == "" {
		return sqliteFile(filepath.Join(c.Data, "cloakroom.db")), nil
	}
	if strings.HasPrefix(c.DB, djangoScheme) {
		return c.djangoEngine()
	}
	var forms []string
	for _, e := range engines {
		if strings.HasPrefix(c.DB, e.scheme) {
			return e.parse(c.DB)
		}
		if e.form != "" {
			forms = append(forms, e.form)
		}
	}
	// The value may hold a password, wherever its author believes that one belongs.
	return nil, fmt.Errorf("--db is not of the form %s", strings.Join(append(forms, djangoForms...), " or "))
}

// Database is the database that a [Config] names.
type Database struct{ engine engine }

// Database returns the database that New opens with this Config. It asks nothing of it yet.
func (c Config) Database() (Database, error) {
	c.fill()
	e, err := c.engine()
	return Database{e}, err
}

// String names the database for people. It holds no password.
func (d Database) String() string { return d.engine.String() }

// File returns the path, if the database is a file; else "".
func (d Database) File() string {
	file, _ := d.engine.(sqliteFile)
	return string(file)
}

// Missing reports whether there is nothing yet that New would find there.
func (d Database) Missing(ctx context.Context) (bool, error) { return d.engine.missing(ctx) }

// Pending returns the names of the migrations that [Database.Migrate] would apply. It changes nothing.
func (d Database) Pending(ctx context.Context) ([]string, error) { return d.engine.pending(ctx) }

// Migrate brings the schema up to date, all in one step, and returns the names of the migrations it applied. New does it
// as well.
func (d Database) Migrate(ctx context.Context) (applied []string, err error) {
	return d.engine.migrate(ctx)
}

// Sealed reports whether the database holds what only its server secret opens. It brings the schema up to date.
func (d Database) Sealed(ctx context.Context) (bool, error) {
	db, err := d.engine.open(ctx)
	if err != nil {
		return false, err
	}
	sealed, err := db.Keys().Sealed(ctx)
	return len(sealed) > 0, errors.Join(err, db.Close())
}

// Postgres looks at the server of the database, and returns nil if it is none of PostgreSQL.
func (d Database) Postgres(ctx context.Context) (*postgres.Settings, error) {
	p, ok := d.engine.(postgresURL)
	if !ok {
		return nil, nil
	}
	s, err := postgres.Inspect(ctx, p.url)
	return &s, err
}

// sqliteFile is a database in a file.
type sqliteFile string

func parseSQLite(address string) (engine, error) {
	path := strings.TrimPrefix(address, "sqlite:")
	if path == "" {
		return nil, errors.New("--db sqlite: names no file; give sqlite:PATH")
	}
	return sqliteFile(path), nil
}

func (f sqliteFile) String() string { return string(f) }

func (f sqliteFile) open(ctx context.Context) (database, error) {
	db, err := sqlite.Open(ctx, string(f))
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (f sqliteFile) migrate(ctx context.Context) ([]string, error) {
	return sqlite.Migrate(ctx, string(f))
}
func (f sqliteFile) pending(ctx context.Context) ([]string, error) {
	return sqlite.Pending(ctx, string(f))
}

func (f sqliteFile) missing(context.Context) (bool, error) {
	_, err := os.Stat(string(f))
	return errors.Is(err, fs.ErrNotExist), nil
}

// postgresURL is a database of a PostgreSQL server.
type postgresURL struct{ url, name string }

func parsePostgres(address string) (engine, error) {
	name, err := postgres.Name(address)
	if err != nil {
		return nil, fmt.Errorf("--db: %w", err)
	}
	return postgresURL{address, name}, nil
}

func (p postgresURL) String() string { return p.name }

func (p postgresURL) open(ctx context.Context) (database, error) {
	db, err := postgres.Open(ctx, p.url)
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (p postgresURL) migrate(ctx context.Context) ([]string, error) {
	return postgres.Migrate(ctx, p.url)
}

func (p postgresURL) pending(ctx context.Context) ([]string, error) {
	names, _, err := postgres.Pending(ctx, p.url)
	return names, err
}

func (p postgresURL) missing(ctx context.Context) (bool, error) {
	_, empty, err := postgres.Pending(ctx, p.url)
	return empty, err
}

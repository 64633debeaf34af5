package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/authenticator"
	"github.com/cloakroom-auth/cloakroom/internal/grant"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/outbox"
	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
)

// storage is the stores that a [Server] works with, and the databases that they are in.
type storage struct {
	store.Set
	ping    func(context.Context) error
	close   func() error
	version func(context.Context) (int64, error) // moves when another process has changed the database; nil: unknown

	sqlite   *sqlite.DB   // our own database; nil: it isn't an SQLite file
	postgres *postgres.DB // our own database; nil: it isn't on a PostgreSQL server
	redis    *redisdb.DB  // the sessions and throttles; nil: they aren't in Redis
	django   *django.DB   // the accounts and sessions; nil: they aren't Django's
	feed     string       // beside Django on PostgreSQL: the address of the feed
}

// sealedColumns are the columns that are sealed under the data key.
func (s *storage) sealedColumns() (columns []keyring.Column) {
	if s.Factors != nil {
		columns = append(columns, authenticator.Column(s.Factors))
	}
	if s.Mail != nil {
		columns = append(columns, outbox.Column(s.Mail))
	}
	if s.Grants != nil {
		columns = append(columns, grant.Column(s.Grants))
	}
	return columns
}

// engine is a database of some kind at some address, whether or not it exists. String names it without its password.
type engine interface {
	fmt.Stringer
	open(ctx context.Context) (*storage, error)
	migrate(ctx context.Context) (applied []string, err error)
	pending(ctx context.Context) (names []string, err error)
	missing(ctx context.Context) (bool, error)
}

// engines are the kinds of databases, by how Config.DB begins.
var engines = []struct {
	scheme string
	form   string // of the whole; "": another has been named
	parse  func(address string) (engine, error)
}{
	{"sqlite:", "sqlite:PATH", parseSQLite},
	{"postgres://", "postgres://USER@HOST/NAME", parsePostgres},
	{"postgresql://", "", parsePostgres},
}

// openStorage returns the stores of Config.Stores, or opens those that Config.DB and Config.Sessions name. Then it makes the data
// directory.
func (c *Config) openStorage(ctx context.Context) (*storage, error) {
	if c.Stores != nil {
		s, err := c.broughtStores()
		if err != nil {
			return nil, err
		}
		return s, c.makeDataDir()
	}
	if c.Ping != nil {
		return nil, errors.New("Config.Ping is for Config.Stores alone: other databases are pinged without it")
	}
	engine, err := c.engine()
	if err != nil {
		return nil, err
	}
	open := engine.open
	if c.MustExist {
		open = func(ctx context.Context) (*storage, error) { return openExisting(ctx, engine) }
	}
	s, err := open(ctx)
	if errors.Is(err, ErrNoDatabase) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := c.makeDataDir(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := c.openSessions(ctx, s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// ErrNoDatabase reports that the database of a [Config] with MustExist doesn't exist.
var ErrNoDatabase = errors.New("there is no database")

// openExisting returns ErrNoDatabase if there is no database, and creates nothing then.
func openExisting(ctx context.Context, e engine) (*storage, error) {
	if p, ok := e.(postgresURL); ok { // which finds out over the connection that it opens
		db, err := postgres.OpenExisting(ctx, p.url)
		if errors.Is(err, postgres.ErrNoTables) {
			return nil, ErrNoDatabase
		}
		return p.storage(db, err)
	}
	missing, err := e.missing(ctx)
	if err != nil {
		return nil, err
	}
	if missing {
		return nil, ErrNoDatabase
	}
	return e.open(ctx)
}

func (c *Config) makeDataDir() error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	return nil
}

// broughtStores returns the stores of c.Stores.
func (c *Config) broughtStores() (*storage, error) {
	if c.DB != "" || c.Pool != nil || c.Schema != "" || c.SQLite != nil || c.Sessions != "" || c.Feed != "" || c.PeerListen != "" {
		return nil, errors.New("Config.Stores replaces DB, Pool, Schema, SQLite, Sessions, Feed and PeerListen: leave these empty")
	}
	s := &storage{Set: *c.Stores, ping: c.Ping, close: func() error { return nil }}
	if s.ping == nil {
		s.ping = func(context.Context) error { return nil }
	}
	if (s.Factors == nil) != (s.Signins == nil) {
		return nil, errors.New("Config.Stores: Factors and Signins are needed together, or neither")
	}
	if s.Links != nil && s.Signins == nil {
		return nil, errors.New("Config.Stores: Links needs Signins and Factors")
	}
	if s.Grants != nil && s.Links == nil {
		return nil, errors.New("Config.Stores: Grants needs Links")
	}
	for name, missing := range map[string]bool{
		"Sessions": s.Sessions == nil, "Accounts": s.Accounts == nil, "Tokens": s.Tokens == nil,
		"Throttles": s.Throttles == nil, "Sealed": s.Sealed == nil, "Audit": s.Audit == nil,
	} {
		if missing {
			return nil, fmt.Errorf("Config.Stores.%s is nil: every store is needed; package memory or sqlite has one", name)
		}
	}
	return s, nil
}

// engine returns the database that Config.DB names, or that of Config.Pool or Config.SQLite.
func (c *Config) engine() (engine, error) {
	switch {
	case c.Pool != nil && (c.DB != "" || c.SQLite != nil):
		return nil, errors.New("Config.Pool replaces DB and SQLite: leave these empty")
	case c.SQLite != nil && c.DB != "":
		return nil, errors.New("Config.SQLite replaces DB: leave it empty")
	case c.Pool != nil:
		return lentPool{c.pool()}, nil
	case c.SQLite != nil:
		return sharedFile{sqlite.ProgramDB{DB: c.SQLite}}, nil
	}
	if c.Schema != "" {
		return nil, errors.New("Config.Schema is for Config.Pool; a schema in DB is postgres://…?search_path=SCHEMA")
	}
	if c.DB == "" {
		return sqliteFile(filepath.Join(c.Data, "cloakroom.db")), nil
	}
	if c.besideDjango() {
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
	// The text doesn't quote the value, which may hold a password.
	return nil, fmt.Errorf("Config.DB is not of the form %s", strings.Join(append(forms, djangoForms...), " or "))
}

// Database is the database that a [Config] names.
type Database struct{ engine engine }

// Database returns the database that New opens with this Config. It doesn't connect to it yet.
func (c Config) Database() (Database, error) {
	c.fill()
	e, err := c.engine()
	return Database{e}, err
}

// String names the database, without its password.
func (d Database) String() string { return d.engine.String() }

// File returns the path of an SQLite file, with symbolic links resolved; "" if the database is no file.
func (d Database) File() string {
	file, ok := d.engine.(sqliteFile)
	if !ok {
		return ""
	}
	if real, err := filepath.EvalSymlinks(string(file)); err == nil {
		return real
	}
	return string(file)
}

// Missing reports whether the database does not exist yet, so that New would create it.
func (d Database) Missing(ctx context.Context) (bool, error) { return d.engine.missing(ctx) }

// Pending returns the names of the migrations that [Database.Migrate] would apply. It changes nothing.
func (d Database) Pending(ctx context.Context) ([]string, error) { return d.engine.pending(ctx) }

// Migrate applies all pending migrations in one transaction, and returns their names. New does the same.
func (d Database) Migrate(ctx context.Context) (applied []string, err error) {
	return d.engine.migrate(ctx)
}

// Sealed reports whether the database holds anything that is sealed with a server secret. It applies pending migrations.
func (d Database) Sealed(ctx context.Context) (bool, error) {
	db, err := d.engine.open(ctx)
	if err != nil {
		return false, err
	}
	secrets, err := db.Sealed.Sealed(ctx)
	return len(secrets) > 0, errors.Join(err, db.close())
}

// ReplaceLostKey makes a new server secret at keyFile for a database whose own is lost. It returns the names of the sealed
// secrets that are removed, since only the lost one opened them. It is an error if there is a key file: one that opens the
// database isn't lost, and any other must be moved away first. It can be interrupted and called again. Unless record is nil, it is
// called before the new secret gets its name, with the path of the file until then, with which the database can be opened.
func (d Database) ReplaceLostKey(ctx context.Context, keyFile string, record func(file string, removed []string) error) (removed []string, err error) {
	db, err := d.engine.open(ctx)
	if err != nil {
		return nil, err
	}
	removed, err = keyring.ReplaceLost(ctx, keyFile, db.Sealed, record)
	return removed, errors.Join(err, db.close())
}

// CountTOTPOnlyUsers returns how many users have an authenticator app and nothing else for a second step: no passkey, no security key and no
// recovery code. If the server secret is lost, they can't sign in until an administrator removes the app. It applies pending
// migrations.
func (d Database) CountTOTPOnlyUsers(ctx context.Context) (int, error) {
	db, err := d.engine.open(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	if db.Factors != nil {
		n, err = authenticator.OnlyApps(ctx, db.Factors)
	}
	return n, errors.Join(err, db.close())
}

// errNoFile reports that a database isn't an SQLite file of this program's own.
var errNoFile = errors.New("backup and restore are for a database of the form sqlite:PATH. Use pg_dump and pg_restore for " +
	"PostgreSQL, and your own tools for a Django project's database; after a restore: cloakroom after-restore")

// Backup writes a copy of the database into a new file with the mode 0600, also while servers use the database. The server secret
// is not in it. It is an error if the database isn't an SQLite file, or if there is a file of this name.
func (d Database) Backup(ctx context.Context, to string) error {
	file, ok := d.engine.(sqliteFile)
	if !ok {
		return errNoFile
	}
	return sqlite.Backup(ctx, string(file), to)
}

// PostgresSettings returns the settings of the PostgreSQL server that the database is on; nil if it is on none.
func (d Database) PostgresSettings(ctx context.Context) (*postgres.Settings, error) {
	var s postgres.Settings
	var err error
	switch p := d.engine.(type) {
	case postgresURL:
		s, err = postgres.InspectServer(ctx, p.url)
	case lentPool:
		s, err = p.InspectServer(ctx)
	default:
		return nil, nil
	}
	return &s, err
}

// sqliteFile is the path of an SQLite file.
type sqliteFile string

func parseSQLite(address string) (engine, error) {
	path := strings.TrimPrefix(address, "sqlite:")
	switch {
	case path == "":
		return nil, errors.New("Config.DB sqlite: names no file; give sqlite:PATH")
	case path == ":memory:":
		return nil, errors.New("Config.DB sqlite::memory: is no file, and a database in memory would forget every user; give sqlite:PATH, " +
			"and in a test of a Go program use package cloakroomtest")
	case strings.HasPrefix(path, "//"), strings.HasPrefix(path, "file:"):
		return nil, errors.New("Config.DB is sqlite: and a path, not a URL; give sqlite:PATH, such as sqlite:/var/lib/cloakroom/cloakroom.db")
	}
	return sqliteFile(path), nil
}

func (f sqliteFile) String() string { return string(f) }

func (f sqliteFile) open(ctx context.Context) (*storage, error) {
	db, err := sqlite.Open(ctx, string(f))
	if err != nil {
		return nil, err
	}
	return &storage{Set: db.Set, ping: db.Ping, close: db.Close, version: db.DataVersion, sqlite: db}, nil
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

// sharedFile is a program's own SQLite file.
type sharedFile struct{ sqlite.ProgramDB }

func (f sharedFile) String() string {
	path, err := f.Path(context.Background())
	if err != nil {
		return "a file that can't be used"
	}
	return path + ", tables cloakroom_…"
}

func (f sharedFile) open(ctx context.Context) (*storage, error) {
	db, err := f.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &storage{Set: db.Set, ping: db.Ping, close: db.Close, version: db.DataVersion, sqlite: db}, nil
}

func (f sharedFile) migrate(ctx context.Context) ([]string, error) { return f.Migrate(ctx) }

func (f sharedFile) pending(ctx context.Context) ([]string, error) {
	names, _, err := f.Pending(ctx)
	return names, err
}

func (f sharedFile) missing(ctx context.Context) (bool, error) {
	_, empty, err := f.Pending(ctx)
	return empty, err
}

// postgresURL is the address of a database on a PostgreSQL server.
type postgresURL struct{ url, name string }

func parsePostgres(address string) (engine, error) {
	name, err := postgres.RedactURL(address)
	if err != nil {
		return nil, fmt.Errorf("Config.DB: %w", err)
	}
	return postgresURL{address, name}, nil
}

func (p postgresURL) String() string { return p.name }

func (p postgresURL) open(ctx context.Context) (*storage, error) {
	return p.storage(postgres.Open(ctx, p.url))
}

func (postgresURL) storage(db *postgres.DB, err error) (*storage, error) {
	if err != nil {
		return nil, err
	}
	return &storage{Set: db.Set, ping: db.Ping, close: db.Close, postgres: db}, nil
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

// lentPool is a schema of the database that a program's own pool leads to.
type lentPool struct{ postgres.Pool }

func (c *Config) pool() postgres.Pool { return postgres.Pool{Conns: c.Pool, Schema: c.Schema} }

func (p lentPool) open(ctx context.Context) (*storage, error) {
	db, err := p.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &storage{Set: db.Set, ping: db.Ping, close: db.Close, postgres: db}, nil
}

func (p lentPool) migrate(ctx context.Context) ([]string, error) { return p.Migrate(ctx) }

func (p lentPool) pending(ctx context.Context) ([]string, error) {
	names, _, err := p.Pending(ctx)
	return names, err
}

func (p lentPool) missing(ctx context.Context) (bool, error) {
	_, empty, err := p.Pending(ctx)
	return empty, err
}

// openSessions opens the Redis of Config.Sessions, if there is one, for the sessions and the counters of failed sign-ins. No
// transaction spans both databases: what ends all sessions of a user changes the epoch of the account, which each check
// compares.
func (c *Config) openSessions(ctx context.Context, s *storage) error {
	if c.Sessions == "" {
		return nil
	}
	r, err := c.openRedis(ctx)
	if err != nil {
		return fmt.Errorf("Config.Sessions: %w", err)
	}
	s.redis = r
	s.Sessions, s.Throttles = r.Sessions, r.Throttles
	s.ping = both(s.ping, r.Ping)
	closeRest := s.close
	s.close = func() error { return errors.Join(r.Close(), closeRest()) }
	return nil
}

// both pings one database after the other.
func both(first, second func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := first(ctx); err != nil {
			return err
		}
		return second(ctx)
	}
}

func (c *Config) openRedis(ctx context.Context) (*redisdb.DB, error) {
	r, err := redisdb.Open(ctx, c.Sessions)
	if err != nil {
		return nil, err
	}
	if err := c.accepts(r.Durable(ctx)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// accepts returns err, or nil if it reports a possible loss that Config.RedisMayLose accepts.
func (c *Config) accepts(err error) error {
	loss, ok := errors.AsType[*redisdb.LossError](err)
	switch {
	case !ok:
		return err
	case c.RedisMayLose <= 0:
		return fmt.Errorf("%w. A sign-out that was acknowledged might not have happened after a crash. %s, "+
			"or accept the loss: Config.RedisMayLose %v", err, loss.Remedy, max(loss.Most, time.Second))
	case c.RedisMayLose < loss.Most:
		return fmt.Errorf("%w. That may be more than the %v of Config.RedisMayLose. %s, or accept it: Config.RedisMayLose %v",
			err, c.RedisMayLose, loss.Remedy, loss.Most)
	}
	return nil
}

package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/pgdial"
	"github.com/cloakroom-auth/cloakroom/internal/userimport"
)

// Django says what a DB of Django's is like, where it isn't as Django makes it. Package django has the meanings.
type Django struct {
	SecretKeyFile string // SECRET_KEY, and further lines with its fallbacks; needed
	UserTable     string // "": auth_user
	UserKey       string // "": id
	UserLogin     string // "": username
	SessionTable  string // "": django_session
	SessionEngine string // settings.SESSION_ENGINE
	AuthBackend   string // "": django.contrib.auth.backends.ModelBackend
	Hasher        string // the first of settings.PASSWORD_HASHERS; "": told from the newest users' passwords
	TimeZone      string // settings.TIME_ZONE, where USE_TZ is off and the database is SQLite; "": USE_TZ is on
}

const djangoScheme = "django+"

var djangoForms = []string{"django+sqlite:PATH", "django+postgres://USER@HOST/NAME"}

// errNotDjango holds nothing of the value, which may have a password in it.
var errNotDjango = errors.New("Config.DB is not of the form " + strings.Join(djangoForms, " or "))

// djangoEngine opens a database of Django's.
type djangoEngine struct {
	engine // of ours
	config *Config
}

// djangoEngine returns the engine of Config.DB django+….
func (c *Config) djangoEngine() (engine, error) {
	address, theirs := strings.CutPrefix(c.DB, djangoScheme)
	path, file := strings.CutPrefix(address, "sqlite:")
	server := strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
	if !theirs || file && path == "" || !file && !server {
		return nil, errNotDjango
	}
	if c.Django.SecretKeyFile == "" {
		return nil, errors.New("Config.DB is Django's: its SECRET_KEY is needed, in a file that Config.Django.SecretKeyFile names")
	}
	if c.Sessions != "" {
		return nil, errors.New("Config.Sessions: beside Django, sessions are where Django has them, in Config.DB")
	}
	if file {
		return djangoEngine{sqliteFile(filepath.Join(c.Data, "cloakroom.db")), c}, nil
	}
	ours, err := parseSchema(or(c.Feed, address)) // a pooler would not lead to the schema
	return djangoEngine{ours, c}, err
}

// postgresSchema is what is ours in a PostgreSQL database of Django's: a schema of its own, which Django doesn't look at.
type postgresSchema struct{ postgresURL }

func parseSchema(address string) (engine, error) {
	address, err := inOurSchema(address)
	if err != nil {
		return nil, err
	}
	ours, err := parsePostgres(address)
	if err != nil {
		return nil, err
	}
	return postgresSchema{ours.(postgresURL)}, nil
}

// inOurSchema returns the address of the same database, with our schema in the place of Django's.
func inOurSchema(address string) (string, error) {
	address, err := pgdial.With(address, "search_path", django.Schema)
	if err != nil {
		return "", errNotDjango
	}
	return address, nil
}

func (p postgresSchema) String() string { return "the schema " + django.Schema + " in it" }

func (p postgresSchema) open(ctx context.Context) (*storage, error) {
	if err := (django.Config{Database: p.url}).CreateSchema(ctx); err != nil {
		return nil, err
	}
	return p.postgresURL.open(ctx)
}

func (p postgresSchema) migrate(ctx context.Context) ([]string, error) {
	if err := (django.Config{Database: p.url}).CreateSchema(ctx); err != nil {
		return nil, err
	}
	return p.postgresURL.migrate(ctx)
}

func (e djangoEngine) String() string {
	return "Django's " + e.config.djangoName() + ", and " + e.engine.String()
}

// djangoName names Django's database without its password.
func (c *Config) djangoName() string {
	return django.Config{Database: strings.TrimPrefix(c.DB, djangoScheme)}.String()
}

// openTheirs opens Django's tables, if they can be shared.
func (e djangoEngine) openTheirs(ctx context.Context) (*django.DB, error) {
	theirs, err := e.config.OpenDjango(ctx)
	if err != nil {
		return nil, err
	}
	if err := theirs.Writable(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("Django's %s: %w", e.config.djangoName(), err), theirs.Close())
	}
	return theirs, nil
}

// CheckDjango returns the error that New would return because Django's tables can't be shared; nil if the database is not
// Django's. It changes nothing.
func (d Database) CheckDjango(ctx context.Context) error {
	e, ok := d.engine.(djangoEngine)
	if !ok {
		return nil
	}
	theirs, err := e.openTheirs(ctx)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return theirs.Close()
}

func (e djangoEngine) open(ctx context.Context) (*storage, error) {
	theirs, err := e.openTheirs(ctx)
	if err != nil {
		return nil, err
	}
	if doubt := theirs.KeyWarning(); doubt != "" {
		e.config.Log.LogAttrs(ctx, slog.LevelWarn, "is this Django's secret key?", slog.String("reason", doubt),
			slog.String("file", e.config.Django.SecretKeyFile))
	}
	ours, err := e.engine.open(ctx)
	if err != nil {
		return nil, errors.Join(err, theirs.Close())
	}
	s := &storage{
		Set: ours.Set, django: theirs, ping: both(theirs.Ping, ours.ping),
		close: func() error { return errors.Join(theirs.Close(), ours.close()) },
	}
	s.Sessions, s.Accounts, s.Tokens = theirs.Sessions(), theirs.Accounts(), theirs.Tokens(ours.Tokens)
	if schema, ok := e.engine.(postgresSchema); ok {
		s.feed = schema.url
	}
	return s, nil
}

// OpenDjango opens the DB, which is Django's, for what package django can do with it alone.
func (c Config) OpenDjango(ctx context.Context) (*django.DB, error) {
	c.fill()
	e, err := c.djangoEngine()
	if err != nil {
		return nil, err
	}
	config, err := c.djangoDatabase()
	if err != nil {
		return nil, err
	}
	db, err := django.Open(ctx, config)
	if refused, ok := errors.AsType[*django.EngineError](err); !ok || refused.Engine != "" {
		return db, err
	}
	seen, lookErr := hasMadeSessions(ctx, e.(djangoEngine).engine)
	if lookErr != nil || !seen {
		return nil, errors.Join(err, lookErr)
	}
	config.SessionsSeen = true
	return django.Open(ctx, config)
}

// hasMadeSessions reports whether a session has ever been begun here, by the audit log in the database of ours.
func hasMadeSessions(ctx context.Context, ours engine) (bool, error) {
	if missing, err := ours.missing(ctx); err != nil || missing {
		return false, err
	}
	db, err := ours.open(ctx)
	if err != nil {
		return false, err
	}
	made, err := db.Audit.List(ctx, audit.Query{Name: "session_created", Limit: 1})
	return len(made) > 0, errors.Join(err, db.close())
}

// djangoDatabase returns what package django needs to open the DB, which is Django's.
func (c Config) djangoDatabase() (django.Config, error) {
	address := strings.TrimPrefix(c.DB, djangoScheme)
	keys, err := django.ReadKeys(c.Django.SecretKeyFile)
	if err != nil {
		return django.Config{}, fmt.Errorf("Config.Django.SecretKeyFile: %w", err)
	}
	config := django.Config{
		Database: address, Keys: keys, UserTable: c.Django.UserTable, UserKey: c.Django.UserKey, UserLogin: c.Django.UserLogin,
		SessionTable: c.Django.SessionTable, SessionEngine: c.Django.SessionEngine, AuthBackend: c.Django.AuthBackend,
		Hasher: c.Django.Hasher, Idle: c.Idle, Lifetime: c.Lifetime,
	}
	if c.Django.Hasher != "" {
		if _, err := django.HasherTemplate(c.Django.Hasher); err != nil {
			return django.Config{}, fmt.Errorf("Config.Django.Hasher: %w", err)
		}
	}
	if c.Django.TimeZone != "" {
		if config.Zone, err = time.LoadLocation(c.Django.TimeZone); err != nil {
			return django.Config{}, fmt.Errorf("Config.Django.TimeZone: %w", err)
		}
	}
	return config, nil
}

// DjangoImport returns what copies the users, groups and tokens of another program's database, which is Django's, into this
// Server's.
func (s *Server) DjangoImport(from *django.DB) (*django.Import, error) {
	importer, ok := s.db.Accounts.(userimport.Importer)
	if !ok {
		return nil, errors.New("Config.DB is Django's own database: there is nothing to be copied into")
	}
	if cache := s.cached.accountsCache; cache != nil {
		importer = cache.Importer(importer)
	}
	return &django.Import{From: from, Accounts: s.Accounts.Store, Importer: importer, Tokens: s.Tokens.Store}, nil
}

// djangoWait is how long a sign-in may wait for its turn where passwords are hashed as dear as Django does.
const djangoWait = 5 * time.Second

// beside sets up what is different beside Django: tickets are its session keys, and hashes are made as it makes them.
func (s *Server) beside(ctx context.Context, theirs *django.DB) error {
	s.Sessions.Tickets = django.Tickets{}
	s.Accounts.HashTemplate = theirs.HashTemplate
	s.Accounts.Names = theirs
	theirs.SetUpTokens(s.Tokens)
	s.Accounts.Hasher.Wait = djangoWait
	var err error
	s.Accounts.Hasher.MinimumCost, err = theirs.MinimumCost(ctx)
	return err
}

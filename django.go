package cloakroom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/store"
)

// Django describes the Django project whose database a Config.DB "django+…" shares. Fields other than SecretKeyFile are needed
// only for settings that the project has changed. Package django explains them.
type Django struct {
	// SecretKeyFile is a file whose first line is settings.SECRET_KEY; further lines are SECRET_KEY_FALLBACKS. It is
	// required.
	SecretKeyFile string

	// UserTable, UserKey and UserLogin are the table of AUTH_USER_MODEL, its primary key and the column of its
	// USERNAME_FIELD. "": auth_user, id and username.
	UserTable string
	UserKey   string
	UserLogin string

	// SessionTable is the table of sessions. "": django_session.
	SessionTable string

	// SessionEngine is settings.SESSION_ENGINE. Only the engine db can be shared. "": New finds out from the database, and
	// returns an error if it can't.
	SessionEngine string

	// AuthBackend is the entry of AUTHENTICATION_BACKENDS that sessions made here name.
	// "": django.contrib.auth.backends.ModelBackend.
	AuthBackend string

	// Hasher is the first entry of PASSWORD_HASHERS, with its parameters: pbkdf2_sha256$1500000. "": that of the newest
	// users' passwords.
	Hasher string

	// TimeZone is settings.TIME_ZONE, for a project on SQLite with USE_TZ = False. "": USE_TZ is True.
	TimeZone string

	// ResetTimeZone is settings.TIME_ZONE, by whose wall clock Django dates the links for a new password, also if USE_TZ is True.
	// "": TimeZone, or else UTC. With another zone than Django's, a link is good for up to 14 hours more or less.
	ResetTimeZone string

	// ResetTimeout is settings.PASSWORD_RESET_TIMEOUT, how long such a link is good. 0: three days, Django's default.
	ResetTimeout time.Duration
}

const djangoScheme = "django+"

// besideDjango reports whether the accounts and sessions are in a database of Django's.
func (c *Config) besideDjango() bool { return strings.HasPrefix(c.DB, djangoScheme) }

var djangoForms = []string{"django+sqlite:PATH", "django+postgres://USER@HOST/NAME"}

// errNotDjango doesn't quote the value, which may hold a password.
var errNotDjango = errors.New("Config.DB is not of the form " + strings.Join(djangoForms, " or "))

// djangoEngine is a Django project's database, and our own beside it.
type djangoEngine struct {
	engine // our own
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
	if file {
		if _, err := parseSQLite(address); err != nil {
			return nil, err
		}
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
	ours, err := parseSchema(cmp.Or(c.Feed, address)) // a pooler would ignore search_path
	return djangoEngine{ours, c}, err
}

// postgresSchema is our own schema in a Django project's PostgreSQL database. Django doesn't read it.
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

// inOurSchema returns the address with our schema as its search path.
func inOurSchema(address string) (string, error) {
	address, err := pg.WithOption(address, "search_path", django.OwnSchema)
	if err != nil {
		return "", errNotDjango
	}
	return address, nil
}

func (p postgresSchema) String() string { return "the schema " + django.OwnSchema + " in it" }

func (p postgresSchema) open(ctx context.Context) (*storage, error) {
	if err := (django.Config{Database: p.url}).CreateOwnSchema(ctx); err != nil {
		return nil, err
	}
	return p.postgresURL.open(ctx)
}

func (p postgresSchema) migrate(ctx context.Context) ([]string, error) {
	if err := (django.Config{Database: p.url}).CreateOwnSchema(ctx); err != nil {
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
		e.config.Log.LogAttrs(ctx, slog.LevelWarn, "this may not be Django's secret key", slog.String("reason", doubt),
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

// OpenDjango opens the Django project's database of Config.DB by itself, for package django. It changes nothing.
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
	seen, auditErr := hasMadeSessions(ctx, e.(djangoEngine).engine)
	if auditErr != nil || !seen {
		return nil, errors.Join(err, auditErr)
	}
	config.SessionsSeen = true
	return django.Open(ctx, config)
}

// hasMadeSessions reports whether our audit log has a sign-in by this server.
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

// djangoDatabase returns the configuration with which package django opens the project's database.
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
	if c.Django.ResetTimeZone != "" {
		if config.ResetZone, err = time.LoadLocation(c.Django.ResetTimeZone); err != nil {
			return django.Config{}, fmt.Errorf("Config.Django.ResetTimeZone: %w", err)
		}
	}
	if config.ResetLife = c.Django.ResetTimeout; config.ResetLife < 0 {
		return django.Config{}, fmt.Errorf("Config.Django.ResetTimeout %s: give a positive duration", config.ResetLife)
	}
	return config, nil
}

// DjangoImport returns an import that copies users, groups and tokens of a Django project's database into this Server's. It is
// an error if the Server shares a Django database itself.
func (s *Server) DjangoImport(from *django.DB) (*django.Import, error) {
	importer, ok := s.storage.Accounts.(store.Importer)
	if !ok {
		return nil, errors.New("Config.DB is Django's own database: import copies into a database of Cloakroom's own")
	}
	if cache := s.cached.accountsCache; cache != nil {
		importer = cache.Importer(importer)
	}
	return &django.Import{From: from, Accounts: s.Accounts.Store, Importer: importer, Tokens: s.Tokens.Store}, nil
}

// newHasher returns the hasher of passwords. Beside Django it works as hard as Django does, whatever hash a password has.
func (s *storage) newHasher(ctx context.Context) (*password.Hasher, error) {
	if s.django == nil {
		return &password.Hasher{}, nil
	}
	least, err := s.django.UsualHash(ctx)
	return &password.Hasher{MinimumCost: least}, err
}

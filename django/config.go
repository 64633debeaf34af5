package django

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pg"
)

// Config says where Django's database is and how the project differs from Django's defaults. Database and Keys are needed;
// zero fields are Django's defaults.
type Config struct {
	Database string // "sqlite:PATH", or "postgres://…" with libpq's options
	Keys     Keys

	UsersOnly bool // reads users alone: no session is read, and Keys are not needed

	UserTable     string // of a custom AUTH_USER_MODEL; "": auth_user
	UserKey       string // its primary key; "": id
	UserLogin     string // its USERNAME_FIELD; "": username
	SessionTable  string // "": django_session
	SessionEngine string // settings.SESSION_ENGINE; "": unknown, and Open refuses a database that seems to use another than db
	SessionsSeen  bool   // sessions were stored in the table before, so an empty table is no sign of another SESSION_ENGINE
	AuthBackend   string // the backend that new sessions name; "": django.contrib.auth.backends.ModelBackend
	Hasher        string // Django's preferred hasher, such as pbkdf2_sha256$1500000; "": derived from the newest users' passwords

	Idle     time.Duration  // SESSION_COOKIE_AGE; 0: 14 days
	Lifetime time.Duration  // how long a session that Django created lasts at most; 0: 30 days
	Zone     *time.Location // TIME_ZONE, if USE_TZ is off and the database is SQLite; nil: USE_TZ is on, and times are in UTC

	ResetZone *time.Location // TIME_ZONE, whose wall clock dates reset links, also if USE_TZ is on; nil: Zone
	ResetLife time.Duration  // PASSWORD_RESET_TIMEOUT; 0: three days
}

// String names the database. It shows neither its password nor the keys.
func (c Config) String() string {
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		return path
	}
	address, err := pg.ParseAddress(c.Database)
	if err != nil {
		return "PostgreSQL"
	}
	return address.String()
}

func (c *Config) fill() {
	c.UserTable, c.UserKey, c.UserLogin = or(c.UserTable, "auth_user"), or(c.UserKey, "id"), or(c.UserLogin, "username")
	c.SessionTable = or(c.SessionTable, "django_session")
	c.AuthBackend = or(c.AuthBackend, "django.contrib.auth.backends.ModelBackend")
	if c.Idle == 0 {
		c.Idle = 14 * 24 * time.Hour
	}
	if c.Lifetime == 0 {
		c.Lifetime = 30 * 24 * time.Hour
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	c.ResetZone = cmp.Or(c.ResetZone, c.Zone)
}

func or(s, standard string) string {
	if s == "" {
		return standard
	}
	return s
}

func (c *Config) form() form {
	return form{
		keys: c.Keys, backend: c.AuthBackend, zone: c.Zone,
		idle: int64(c.Idle / time.Second), lifetime: int64(c.Lifetime / time.Second),
	}
}

// engines maps Django's session engines, by the last part of their names, to the reason why they can't be shared.
var engines = map[string]string{
	"db":             "",
	"cached_db":      "it reads sessions from a cache that only Django can write to, so a session that Cloakroom ends would go on at Django",
	"cache":          "it keeps sessions in a cache, as Python objects that only Django can read",
	"file":           "it keeps sessions in files, not in the database",
	"signed_cookies": "it keeps sessions in the browser, where no server can end them",
}

// EngineError is returned if Django keeps its sessions where they can't be shared.
type EngineError struct {
	Engine string // ""; not configured, but it doesn't seem to be db
	Reason string
}

func (e *EngineError) Error() string {
	if e.Engine == "" {
		return fmt.Sprintf("Django seems to keep its sessions where they can't be shared: %s. Set SESSION_ENGINE = "+
			`"django.contrib.sessions.backends.db" in Django; if it is set already, set Config.Django.SessionEngine to db`, e.Reason)
	}
	return fmt.Sprintf("Django's session engine %s can't be shared: %s. Set SESSION_ENGINE = "+
		`"django.contrib.sessions.backends.db" in Django`, e.Engine, e.Reason)
}

// checkEngine refuses any engine other than db. It takes the dotted path or its last part.
func checkEngine(engine string) error {
	if engine == "" {
		return nil
	}
	name := path.Ext("." + engine)[1:]
	reason, known := engines[name]
	if !known || strings.Contains(engine, ".") && engine != "django.contrib.sessions.backends."+name {
		reason = "it is not one of Django's own engines"
	}
	if reason == "" {
		return nil
	}
	return &EngineError{engine, reason}
}

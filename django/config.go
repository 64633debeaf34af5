package django

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/pgdial"
)

// Config says which Django's tables these are. Database and Keys are needed; zero fields are Django's defaults.
type Config struct {
	Database string // "sqlite:PATH", or "postgres://…" with the options of libpq
	Keys     Keys

	UsersOnly bool // no session is looked at, and Keys are not needed

	UserTable     string // of a custom AUTH_USER_MODEL; "": auth_user
	UserKey       string // its primary key; "": id
	UserLogin     string // its USERNAME_FIELD; "": username
	SessionTable  string // "": django_session
	SessionEngine string // settings.SESSION_ENGINE; "": nobody has said, and what looks like another than db is refused
	SessionsSeen  bool   // there have been sessions in the table: that it is empty tells nothing of SESSION_ENGINE
	AuthBackend   string // written into sessions; "": django.contrib.auth.backends.ModelBackend
	Hasher        string // Django's preferred hasher, such as pbkdf2_sha256$1500000; "": what the newest users' passwords tell of it

	Idle     time.Duration  // SESSION_COOKIE_AGE; 0: 14 days
	Lifetime time.Duration  // the end of a session that Django has made; 0: 30 days
	Zone     *time.Location // of the times in an SQLite file where USE_TZ is off: TIME_ZONE. nil: USE_TZ is on, and they are UTC
}

// String names the database. It shows neither its password nor the keys.
func (c Config) String() string {
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		return path
	}
	address, err := pgdial.Parse(c.Database)
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

// engines are Django's session engines by the last part of their names, and why they can't be shared.
var engines = map[string]string{
	"db":             "",
	"cached_db":      "it answers from a cache that only Django can write to, so that what is ended here would stay alive there",
	"cache":          "it keeps sessions in a cache, as Python objects that only Django can read",
	"file":           "it keeps sessions in files, not in the database",
	"signed_cookies": "it keeps sessions in the browser, where nobody can end them",
}

// EngineError says that Django's sessions are kept where they can't be shared.
type EngineError struct {
	Engine string // "": it is only guessed that it isn't db
	Reason string
}

func (e *EngineError) Error() string {
	if e.Engine == "" {
		return fmt.Sprintf("Django seems to keep its sessions where they can't be shared: %s. Set SESSION_ENGINE = "+
			`"django.contrib.sessions.backends.db" in Django; if that is what it is, say so: Config.Django.SessionEngine db`, e.Reason)
	}
	return fmt.Sprintf("Django's session engine %s can't be shared: %s. Set SESSION_ENGINE = "+
		`"django.contrib.sessions.backends.db" in Django`, e.Engine, e.Reason)
}

// checkEngine refuses an engine other than db by its name: the dotted path, or its last part.
func checkEngine(engine string) error {
	if engine == "" {
		return nil
	}
	name := path.Ext("." + engine)[1:]
	reason, known := engines[name]
	if !known || strings.Contains(engine, ".") && engine != "django.contrib.sessions.backends."+name {
		reason = "it is none of Django's own"
	}
	if reason == "" {
		return nil
	}
	return &EngineError{engine, reason}
}

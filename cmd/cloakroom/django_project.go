package main

import (
	"time"

	"github.com/cloakroom-auth/cloakroom"
)

// djangoFlags describe the Django project of --db django+….
type djangoFlags struct {
	DjangoSecretKeyFile string `placeholder:"FILE" help:"With --db django+…: a file whose first line is Django's SECRET_KEY; further lines are its fallbacks."`
	DjangoUserTable     string `hidden:"" placeholder:"TABLE" standard:"auth_user" help:"The table of Django's AUTH_USER_MODEL."`
	DjangoUserKey       string `hidden:"" placeholder:"COLUMN" standard:"id" help:"The primary key of that table."`
	DjangoUserLogin     string `hidden:"" placeholder:"COLUMN" standard:"username" help:"The column of the model's USERNAME_FIELD."`
	DjangoSessionTable  string `hidden:"" placeholder:"TABLE" standard:"django_session" help:"The table of Django's sessions."`
	DjangoSessionEngine string `hidden:"" placeholder:"NAME" help:"Django's SESSION_ENGINE. Only db can be shared. If it is given, it isn't detected."`
	DjangoAuthBackend   string `hidden:"" placeholder:"CLASS" standard:"Django's ModelBackend" help:"With --db django+…: the entry of Django's AUTHENTICATION_BACKENDS that sessions made here name."`
	DjangoHasher        string `hidden:"" placeholder:"NAME" standard:"as the newest users' passwords" help:"How new passwords are hashed, with Django's parameters: pbkdf2_sha256$1500000, argon2, bcrypt_sha256, scrypt …"`
	DjangoTimeZone      string `hidden:"" placeholder:"ZONE" standard:"USE_TZ is on" help:"Django's TIME_ZONE, if USE_TZ is off and the database is SQLite."`

	DjangoResetTimeZone string        `hidden:"" placeholder:"ZONE" standard:"--django-time-zone, else UTC" help:"Django's TIME_ZONE, by whose clock it dates links for a new password, also if USE_TZ is on."`
	DjangoResetTimeout  time.Duration `hidden:"" placeholder:"DURATION" standard:"72h" help:"Django's PASSWORD_RESET_TIMEOUT, how long a link for a new password is good."`
}

func (f djangoFlags) config() cloakroom.Django {
	return cloakroom.Django{
		SecretKeyFile: f.DjangoSecretKeyFile, UserTable: f.DjangoUserTable, UserKey: f.DjangoUserKey, UserLogin: f.DjangoUserLogin,
		SessionTable: f.DjangoSessionTable, SessionEngine: f.DjangoSessionEngine, AuthBackend: f.DjangoAuthBackend,
		Hasher: f.DjangoHasher, TimeZone: f.DjangoTimeZone,
		ResetTimeZone: f.DjangoResetTimeZone, ResetTimeout: f.DjangoResetTimeout,
	}
}

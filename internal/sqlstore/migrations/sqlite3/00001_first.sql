-- All times are whole seconds since 1970 UTC.

-- +goose Up

-- The ID is a hash of the ticket, which is stored nowhere.
CREATE TABLE sessions (
	id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
	public_id TEXT    NOT NULL UNIQUE,
	user_id   TEXT    NOT NULL,
	epoch     TEXT    NOT NULL,
	method    TEXT    NOT NULL,
	browser   INTEGER NOT NULL,
	created   INTEGER NOT NULL,
	fresh     INTEGER NOT NULL,
	seen      INTEGER NOT NULL,
	idle      INTEGER NOT NULL,
	deadline  INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	ip        TEXT    NOT NULL,
	agent     TEXT    NOT NULL,
	data      BLOB    NOT NULL,
	version   TEXT    NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, public_id);
CREATE INDEX sessions_by_end ON sessions (expires);

-- The IDs of sessions before rotations, so that a sign-out that was in progress during a rotation finds its session.
CREATE TABLE retired (
	id        BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
	public_id TEXT NOT NULL REFERENCES sessions (public_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX retired_by_session ON retired (public_id);

-- The ID is a hash of the token, which is stored nowhere. The number keeps the order in which tokens were made.
CREATE TABLE tokens (
	number    INTEGER PRIMARY KEY AUTOINCREMENT,
	id        BLOB    NOT NULL UNIQUE CHECK (length(id) = 32),
	public_id TEXT    NOT NULL UNIQUE,
	user_id   TEXT    NOT NULL,
	epoch     TEXT    NOT NULL,
	kind      TEXT    NOT NULL,
	name      TEXT    NOT NULL,
	scopes    BLOB    NOT NULL,
	created   INTEGER NOT NULL,
	used      INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	ip        TEXT    NOT NULL,
	agent     TEXT    NOT NULL,
	data      BLOB    NOT NULL,
	version   TEXT    NOT NULL
) STRICT;
CREATE INDEX tokens_by_user ON tokens (user_id, kind, created);
CREATE INDEX tokens_by_end ON tokens (expires) WHERE expires > 0;

-- With AUTOINCREMENT the ID of a deleted user is never used again.
CREATE TABLE users (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	username     TEXT    NOT NULL,
	email        TEXT    NOT NULL,
	first_name   TEXT    NOT NULL,
	last_name    TEXT    NOT NULL,
	password     TEXT    NOT NULL,
	is_active    INTEGER NOT NULL,
	is_staff     INTEGER NOT NULL,
	is_superuser INTEGER NOT NULL,
	date_joined  INTEGER NOT NULL,
	last_login   INTEGER NOT NULL,
	epoch        TEXT    NOT NULL,
	search       TEXT    NOT NULL
) STRICT;

-- The keys of all usernames and e-mail addresses, in one table, so that no username is another user's address.
CREATE TABLE logins (
	key     TEXT    NOT NULL PRIMARY KEY,
	user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX logins_by_user ON logins (user_id);

CREATE TABLE user_permissions (
	user_id    INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
	permission TEXT    NOT NULL,
	PRIMARY KEY (user_id, permission)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
	id   INTEGER PRIMARY KEY,
	name TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE group_permissions (
	group_id   INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
	permission TEXT    NOT NULL,
	PRIMARY KEY (group_id, permission)
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
	user_id  INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
	group_id INTEGER NOT NULL REFERENCES groups ON DELETE CASCADE,
	PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_group ON members (group_id);

-- The hash of the secret with which the first administrator is made; no row: none, or spent.
CREATE TABLE setup (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	hash    BLOB    NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

-- The hash of the secret with which a user's password can be reset, while the user is at this epoch.
CREATE TABLE resets (
	user_id INTEGER PRIMARY KEY REFERENCES users ON DELETE CASCADE,
	hash    BLOB    NOT NULL UNIQUE,
	epoch   TEXT    NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

-- The sources of imported users, and their state there, so that an import can be repeated.
CREATE TABLE imports (
	source    TEXT    NOT NULL,
	source_id TEXT    NOT NULL,
	user_id   INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
	state     BLOB    NOT NULL, -- a hash of all that was taken over
	password  BLOB    NOT NULL, -- a hash of the encoded hash
	PRIMARY KEY (source, source_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX imports_by_user ON imports (user_id);

CREATE TABLE counters (
	key     TEXT    NOT NULL PRIMARY KEY,
	tries   INTEGER NOT NULL,
	since   INTEGER NOT NULL,
	blocked INTEGER NOT NULL,
	level   INTEGER NOT NULL,
	ends    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_by_end ON counters (ends);

-- The audit log, in milliseconds since 1970 UTC. Rows are never changed.
CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	name    TEXT    NOT NULL,
	outcome TEXT    NOT NULL,
	actor   TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	login   TEXT    NOT NULL,
	session TEXT    NOT NULL,
	address TEXT    NOT NULL,
	agent   TEXT    NOT NULL,
	request TEXT    NOT NULL,
	detail  BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_name ON audit (name);
CREATE INDEX audit_by_subject ON audit (subject);
CREATE INDEX audit_by_actor ON audit (actor);
-- +goose StatementBegin
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN
	SELECT RAISE(ABORT, 'nothing in the audit log is ever changed');
END;
-- +goose StatementEnd

CREATE TABLE sealed (
	name TEXT NOT NULL PRIMARY KEY,
	box  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row, written by each health check, because only a write shows whether the disk takes writes.
CREATE TABLE health (
	id    INTEGER PRIMARY KEY CHECK (id = 1),
	beats INTEGER NOT NULL
) STRICT;
INSERT INTO health VALUES (1, 0);

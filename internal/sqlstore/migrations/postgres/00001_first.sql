-- All times are whole seconds since 1970 UTC. Texts that a stranger may have chosen byte by byte are BYTEA, since TEXT
-- holds neither NUL nor broken UTF-8. Names sort by their bytes, whatever the database's collation.

-- +goose Up

-- The ID is a hash of the ticket, which is stored nowhere.
CREATE TABLE sessions (
	id        BYTEA   NOT NULL PRIMARY KEY CHECK (length(id) = 32),
	public_id BYTEA   NOT NULL UNIQUE,
	user_id   BYTEA   NOT NULL,
	epoch     BYTEA   NOT NULL,
	method    BYTEA   NOT NULL,
	browser   BOOLEAN NOT NULL,
	created   BIGINT  NOT NULL,
	fresh     BIGINT  NOT NULL,
	seen      BIGINT  NOT NULL,
	idle      BIGINT  NOT NULL,
	deadline  BIGINT  NOT NULL,
	expires   BIGINT  NOT NULL,
	ip        BYTEA   NOT NULL,
	agent     BYTEA   NOT NULL,
	data      BYTEA   NOT NULL,
	version   TEXT    NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, public_id);
CREATE INDEX sessions_by_end ON sessions (expires);

-- The IDs of sessions before rotations, so that a sign-out that was in progress during a rotation finds its session.
CREATE TABLE retired (
	id        BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 32),
	public_id BYTEA NOT NULL REFERENCES sessions (public_id) ON DELETE CASCADE
);
CREATE INDEX retired_by_session ON retired (public_id);

-- The ID is a hash of the token, which is stored nowhere. The number keeps the order in which tokens were made.
CREATE TABLE tokens (
	number    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id        BYTEA  NOT NULL UNIQUE CHECK (length(id) = 32),
	public_id BYTEA  NOT NULL UNIQUE,
	user_id   BYTEA  NOT NULL,
	epoch     BYTEA  NOT NULL,
	kind      BYTEA  NOT NULL,
	name      BYTEA  NOT NULL,
	scopes    BYTEA  NOT NULL,
	created   BIGINT NOT NULL,
	used      BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	ip        BYTEA  NOT NULL,
	agent     BYTEA  NOT NULL,
	data      BYTEA  NOT NULL,
	version   TEXT   NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id, kind, created);
CREATE INDEX tokens_by_end ON tokens (expires) WHERE expires > 0;

-- An identity's sequence never goes back, so the ID of a deleted user is never used again.
CREATE TABLE users (
	id           BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	username     TEXT    NOT NULL,
	email        TEXT    NOT NULL,
	first_name   TEXT    NOT NULL,
	last_name    TEXT    NOT NULL,
	password     TEXT    NOT NULL,
	is_active    BOOLEAN NOT NULL,
	is_staff     BOOLEAN NOT NULL,
	is_superuser BOOLEAN NOT NULL,
	date_joined  BIGINT  NOT NULL,
	last_login   BIGINT  NOT NULL,
	epoch        TEXT    NOT NULL,
	search       BYTEA   NOT NULL
);

-- The keys of all usernames and e-mail addresses, in one table, so that no username is another user's address.
CREATE TABLE logins (
	key     BYTEA  NOT NULL PRIMARY KEY,
	user_id BIGINT NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE INDEX logins_by_user ON logins (user_id);

CREATE TABLE user_permissions (
	user_id    BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
	permission TEXT   COLLATE "C" NOT NULL,
	PRIMARY KEY (user_id, permission)
);

CREATE TABLE groups (
	id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name TEXT   COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE group_permissions (
	group_id   BIGINT NOT NULL REFERENCES groups ON DELETE CASCADE,
	permission TEXT   COLLATE "C" NOT NULL,
	PRIMARY KEY (group_id, permission)
);

CREATE TABLE members (
	user_id  BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
	group_id BIGINT NOT NULL REFERENCES groups ON DELETE CASCADE,
	PRIMARY KEY (user_id, group_id)
);
CREATE INDEX members_by_group ON members (group_id);

-- The hash of the secret with which the first administrator is made; no row: none, or spent.
CREATE TABLE setup (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	hash    BYTEA   NOT NULL,
	expires BIGINT  NOT NULL
);

-- The hash of the secret with which a user's password can be reset, while the user is at this epoch.
CREATE TABLE resets (
	user_id BIGINT PRIMARY KEY REFERENCES users ON DELETE CASCADE,
	hash    BYTEA  NOT NULL UNIQUE,
	epoch   TEXT   NOT NULL,
	expires BIGINT NOT NULL
);

-- The sources of imported users, and their state there, so that an import can be repeated.
CREATE TABLE imports (
	source    TEXT   COLLATE "C" NOT NULL,
	source_id TEXT   COLLATE "C" NOT NULL,
	user_id   BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
	state     BYTEA  NOT NULL, -- a hash of all that was taken over
	password  BYTEA  NOT NULL, -- a hash of the encoded hash
	PRIMARY KEY (source, source_id)
);
CREATE INDEX imports_by_user ON imports (user_id);

CREATE TABLE counters (
	key     BYTEA  NOT NULL PRIMARY KEY,
	tries   BIGINT NOT NULL,
	since   BIGINT NOT NULL,
	blocked BIGINT NOT NULL,
	level   BIGINT NOT NULL,
	ends    BIGINT NOT NULL
);
CREATE INDEX counters_by_end ON counters (ends);

-- The audit log, in milliseconds since 1970 UTC. Rows are never changed.
CREATE TABLE audit (
	id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at      BIGINT NOT NULL,
	name    BYTEA  NOT NULL,
	outcome BYTEA  NOT NULL,
	actor   BYTEA  NOT NULL,
	subject BYTEA  NOT NULL,
	login   BYTEA  NOT NULL,
	session BYTEA  NOT NULL,
	address BYTEA  NOT NULL,
	agent   BYTEA  NOT NULL,
	request BYTEA  NOT NULL,
	detail  BYTEA  NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_name ON audit (name, id);
CREATE INDEX audit_by_subject ON audit (subject, id);
CREATE INDEX audit_by_actor ON audit (actor, id);
-- +goose StatementBegin
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'nothing in the audit log is ever changed';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE sealed (
	name TEXT  COLLATE "C" NOT NULL PRIMARY KEY,
	box  BYTEA NOT NULL
);

-- One row, written by each health check, because only a write shows whether the disk takes writes.
CREATE TABLE health (
	id    INTEGER PRIMARY KEY CHECK (id = 1),
	beats BIGINT  NOT NULL
);
INSERT INTO health VALUES (1, 0);

-- +goose Up

-- What users prove themselves by besides a password.
CREATE TABLE factors (
	number     INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT    NOT NULL UNIQUE,
	user_id    TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	state      TEXT    NOT NULL,
	epoch      TEXT    NOT NULL,
	created    INTEGER NOT NULL,
	used       INTEGER NOT NULL,
	counter    INTEGER NOT NULL,
	credential BLOB    UNIQUE, -- the ID of a WebAuthn credential; NULL for other kinds
	rp_id      TEXT    NOT NULL,
	data       BLOB    NOT NULL
) STRICT;
CREATE INDEX factors_by_user ON factors (user_id);
CREATE UNIQUE INDEX factors_one_app ON factors (user_id) WHERE kind = 'totp';

CREATE TABLE recovery_codes (
	user_id TEXT NOT NULL,
	hash    BLOB NOT NULL CHECK (length(hash) = 32),
	PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE factor_users (
	user_id     TEXT    NOT NULL PRIMARY KEY,
	handle      BLOB    UNIQUE, -- the user handle of WebAuthn; NULL: none was made
	second_step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ins that are not complete. The ID is a hash of the client's secret, which is stored nowhere.
CREATE TABLE pending_signins (
	number    INTEGER PRIMARY KEY AUTOINCREMENT,
	id        BLOB    NOT NULL UNIQUE CHECK (length(id) = 32),
	kind      TEXT    NOT NULL,
	user_id   TEXT    NOT NULL,
	epoch     TEXT    NOT NULL,
	methods   TEXT    NOT NULL,
	first_at  INTEGER NOT NULL,
	second_at INTEGER NOT NULL,
	remember  INTEGER NOT NULL,
	app       INTEGER NOT NULL,
	device    TEXT    NOT NULL,
	address   TEXT    NOT NULL,
	created   INTEGER NOT NULL,
	expires   INTEGER NOT NULL,
	tries     INTEGER NOT NULL,
	data      BLOB    NOT NULL
) STRICT;
CREATE INDEX pending_signins_by_user ON pending_signins (user_id);
CREATE INDEX pending_signins_by_end ON pending_signins (expires);

-- Hashes of what counts only once, such as challenges.
CREATE TABLE spent (
	hash    BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_end ON spent (expires);

-- +goose Up

-- What users prove themselves by besides a password.
CREATE TABLE factors (
	number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         BYTEA   NOT NULL UNIQUE,
	user_id    BYTEA   NOT NULL,
	kind       BYTEA   NOT NULL,
	name       BYTEA   NOT NULL,
	state      BYTEA   NOT NULL,
	epoch      BYTEA   NOT NULL,
	created    BIGINT  NOT NULL,
	used       BIGINT  NOT NULL,
	counter    BIGINT  NOT NULL,
	credential BYTEA   UNIQUE, -- the ID of a WebAuthn credential; NULL for other kinds
	rp_id      BYTEA   NOT NULL,
	data       BYTEA   NOT NULL
);
CREATE INDEX factors_by_user ON factors (user_id);
CREATE UNIQUE INDEX factors_one_app ON factors (user_id) WHERE kind = 'totp'::bytea;

CREATE TABLE recovery_codes (
	user_id BYTEA NOT NULL,
	hash    BYTEA NOT NULL CHECK (length(hash) = 32),
	PRIMARY KEY (user_id, hash)
);

CREATE TABLE factor_users (
	user_id     BYTEA   NOT NULL PRIMARY KEY,
	handle      BYTEA   UNIQUE, -- the user handle of WebAuthn; NULL: none was made
	second_step BOOLEAN NOT NULL
);

-- Sign-ins that are not complete. The ID is a hash of the client's secret, which is stored nowhere.
CREATE TABLE pending_signins (
	number    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id        BYTEA   NOT NULL UNIQUE CHECK (length(id) = 32),
	kind      BYTEA   NOT NULL,
	user_id   BYTEA   NOT NULL,
	epoch     BYTEA   NOT NULL,
	methods   BYTEA   NOT NULL,
	first_at  BIGINT  NOT NULL,
	second_at BIGINT  NOT NULL,
	remember  BOOLEAN NOT NULL,
	app       BOOLEAN NOT NULL,
	device    BYTEA   NOT NULL,
	address   BYTEA   NOT NULL,
	created   BIGINT  NOT NULL,
	expires   BIGINT  NOT NULL,
	tries     BIGINT  NOT NULL,
	data      BYTEA   NOT NULL
);
CREATE INDEX pending_signins_by_user ON pending_signins (user_id);
CREATE INDEX pending_signins_by_end ON pending_signins (expires);

-- Hashes of what counts only once, such as challenges.
CREATE TABLE spent (
	hash    BYTEA  NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
	expires BIGINT NOT NULL
);
CREATE INDEX spent_by_end ON spent (expires);

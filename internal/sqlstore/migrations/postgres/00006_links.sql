-- +goose Up

-- Which accounts at other providers are whose.
CREATE TABLE links (
	number  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id      BYTEA  NOT NULL UNIQUE,
	user_id BYTEA  NOT NULL,
	issuer  BYTEA  NOT NULL,
	subject BYTEA  NOT NULL,
	email   BYTEA  NOT NULL,
	added   BIGINT NOT NULL,
	used    BIGINT NOT NULL,
	UNIQUE (issuer, subject)
);
CREATE INDEX links_by_user ON links (user_id);

-- Which sessions were begun through a provider: by public IDs, or by the IDs of pending sign-ins in hex.
CREATE TABLE link_origins (
	session BYTEA   NOT NULL PRIMARY KEY,
	pending BOOLEAN NOT NULL,
	user_id BYTEA   NOT NULL,
	issuer  BYTEA   NOT NULL,
	subject BYTEA   NOT NULL,
	sid     BYTEA   NOT NULL,
	began   BIGINT  NOT NULL,
	expires BIGINT  NOT NULL
);
CREATE INDEX link_origins_by_user ON link_origins (user_id);
CREATE INDEX link_origins_by_subject ON link_origins (issuer, subject);
CREATE INDEX link_origins_by_sid ON link_origins (issuer, sid);
CREATE INDEX link_origins_by_end ON link_origins (expires);

-- What providers have ended.
CREATE TABLE link_logouts (
	token   BYTEA  NOT NULL PRIMARY KEY CHECK (length(token) = 32),
	issuer  BYTEA  NOT NULL,
	subject BYTEA  NOT NULL,
	sid     BYTEA  NOT NULL,
	at      BIGINT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX link_logouts_by_subject ON link_logouts (issuer, subject);
CREATE INDEX link_logouts_by_sid ON link_logouts (issuer, sid);
CREATE INDEX link_logouts_by_end ON link_logouts (expires);

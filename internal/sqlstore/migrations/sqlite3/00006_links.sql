-- +goose Up

-- Which accounts at other providers are whose.
CREATE TABLE links (
	number  INTEGER PRIMARY KEY AUTOINCREMENT,
	id      TEXT    NOT NULL UNIQUE,
	user_id TEXT    NOT NULL,
	issuer  TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	email   TEXT    NOT NULL,
	added   INTEGER NOT NULL,
	used    INTEGER NOT NULL,
	UNIQUE (issuer, subject)
) STRICT;
CREATE INDEX links_by_user ON links (user_id);

-- Which sessions were begun through a provider: by public IDs, or by the IDs of pending sign-ins in hex.
CREATE TABLE link_origins (
	session TEXT    NOT NULL PRIMARY KEY,
	pending INTEGER NOT NULL,
	user_id TEXT    NOT NULL,
	issuer  TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	sid     TEXT    NOT NULL,
	began   INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;
CREATE INDEX link_origins_by_user ON link_origins (user_id);
CREATE INDEX link_origins_by_subject ON link_origins (issuer, subject);
CREATE INDEX link_origins_by_sid ON link_origins (issuer, sid);
CREATE INDEX link_origins_by_end ON link_origins (expires);

-- What providers have ended.
CREATE TABLE link_logouts (
	token   BLOB    NOT NULL PRIMARY KEY CHECK (length(token) = 32),
	issuer  TEXT    NOT NULL,
	subject TEXT    NOT NULL,
	sid     TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;
CREATE INDEX link_logouts_by_subject ON link_logouts (issuer, subject);
CREATE INDEX link_logouts_by_sid ON link_logouts (issuer, sid);
CREATE INDEX link_logouts_by_end ON link_logouts (expires);

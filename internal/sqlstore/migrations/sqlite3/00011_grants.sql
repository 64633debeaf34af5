-- +goose Up

-- The tokens that providers have given, sealed: for sessions by public IDs, or for pending sign-ins by their IDs in hex.
CREATE TABLE link_grants (
	session TEXT    NOT NULL PRIMARY KEY,
	pending INTEGER NOT NULL,
	user_id TEXT    NOT NULL,
	issuer  TEXT    NOT NULL,
	box     BLOB    NOT NULL,
	version INTEGER NOT NULL,
	lease   INTEGER NOT NULL,
	due     INTEGER NOT NULL,
	ended   INTEGER NOT NULL
) STRICT;
CREATE INDEX link_grants_by_user ON link_grants (user_id, session);
CREATE INDEX link_grants_by_due ON link_grants (due, session);

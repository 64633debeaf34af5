-- +goose Up

-- The tokens that providers have given, sealed: for sessions by public IDs, or for pending sign-ins by their IDs in hex.
CREATE TABLE link_grants (
	session BYTEA   NOT NULL PRIMARY KEY,
	pending BOOLEAN NOT NULL,
	user_id BYTEA   NOT NULL,
	issuer  BYTEA   NOT NULL,
	box     BYTEA   NOT NULL,
	version BIGINT  NOT NULL,
	lease   BIGINT  NOT NULL,
	due     BIGINT  NOT NULL,
	ended   BIGINT  NOT NULL
);
CREATE INDEX link_grants_by_user ON link_grants (user_id, session);
CREATE INDEX link_grants_by_due ON link_grants (due, session);

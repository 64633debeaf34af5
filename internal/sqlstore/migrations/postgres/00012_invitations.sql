-- +goose Up

-- Invitations to make an account, one for each address. The hash is that of the secret in the link, which is stored nowhere. The groups
-- are a JSON array; nothing stands for none.
CREATE TABLE invitations (
	id       BYTEA NOT NULL PRIMARY KEY,
	address  BYTEA NOT NULL,
	login    BYTEA NOT NULL UNIQUE,
	member_of BYTEA NOT NULL,
	language BYTEA NOT NULL,
	inviter  BYTEA NOT NULL,
	printed  BIGINT NOT NULL,
	hash     BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
	created  BIGINT NOT NULL,
	expires  BIGINT NOT NULL
);
CREATE INDEX invitations_by_inviter ON invitations (inviter);
CREATE INDEX invitations_by_end ON invitations (expires);

-- +goose Up

-- Invitations to make an account, one for each address. The hash is that of the secret in the link, which is stored nowhere. The groups
-- are a JSON array; nothing stands for none.
CREATE TABLE invitations (
	id       TEXT NOT NULL PRIMARY KEY,
	address  TEXT NOT NULL,
	login    TEXT NOT NULL UNIQUE,
	member_of BLOB NOT NULL,
	language TEXT NOT NULL,
	inviter  TEXT NOT NULL,
	printed  INTEGER NOT NULL,
	hash     BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
	created  INTEGER NOT NULL,
	expires  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_by_inviter ON invitations (inviter);
CREATE INDEX invitations_by_end ON invitations (expires);

-- +goose Up

-- The address of a user that was proven. It counts while it is the user's address.
ALTER TABLE users ADD COLUMN email_proven TEXT NOT NULL DEFAULT '';

-- Secrets in links that were mailed. The hash is that of the secret, which is stored nowhere; the box is sealed with the secret.
CREATE TABLE mail_secrets (
	hash    BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
	kind    TEXT NOT NULL,
	user_id TEXT NOT NULL,
	epoch   TEXT NOT NULL,
	box     BLOB NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_secrets_by_end ON mail_secrets (expires);

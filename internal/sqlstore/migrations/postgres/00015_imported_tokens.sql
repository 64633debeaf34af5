-- +goose Up

-- The tokens that were imported, also those that have ended or expired here since, which no import brings back.
CREATE TABLE imported_tokens (
	id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 32)
);
INSERT INTO imported_tokens SELECT id FROM tokens WHERE substring(data FROM 1 FOR 10) = 'imported: '::bytea;

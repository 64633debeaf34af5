-- +goose Up

-- The tokens that were imported, also those that have ended or expired here since, which no import brings back.
CREATE TABLE imported_tokens (
	id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32)
) STRICT, WITHOUT ROWID;
INSERT INTO imported_tokens SELECT id FROM tokens WHERE substr(data, 1, 10) = CAST('imported: ' AS BLOB);

-- +goose Up

-- The browser that a session is bound to, and whether it has proven so that the session counts in no other.
ALTER TABLE sessions ADD COLUMN bound BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN binding BYTEA NOT NULL DEFAULT '';

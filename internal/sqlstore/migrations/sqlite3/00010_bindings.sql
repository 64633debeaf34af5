-- +goose Up

-- The browser that a session is bound to, and whether it has proven so that the session counts in no other.
ALTER TABLE sessions ADD COLUMN bound INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN binding TEXT NOT NULL DEFAULT '';

-- +goose Up

-- When two factors were last shown together in a session, and the methods by which its user has proven who they are.
ALTER TABLE sessions ADD COLUMN second_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN methods TEXT NOT NULL DEFAULT '';

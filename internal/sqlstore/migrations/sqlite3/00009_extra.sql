-- +goose Up

-- What a program keeps with a user: two JSON objects without blanks, or nothing. The user sees the first one.
ALTER TABLE users ADD COLUMN extra_public TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN extra_private TEXT NOT NULL DEFAULT '';

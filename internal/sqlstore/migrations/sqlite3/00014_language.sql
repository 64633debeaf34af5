-- +goose Up

-- In which language a user gets messages; empty: not known yet.
ALTER TABLE users ADD COLUMN language TEXT NOT NULL DEFAULT '';

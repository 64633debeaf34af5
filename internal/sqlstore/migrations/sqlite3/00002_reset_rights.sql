-- +goose Up

-- A reset link counts only while its user may do no more than when it was made. Links from before this column are void; they
-- would have ended within an hour.
DELETE FROM resets;
ALTER TABLE resets ADD COLUMN rights TEXT NOT NULL DEFAULT '[]'; -- a JSON array: what the user might do at that time

-- +goose Up

-- Whether an administrator has left the user without a password. Of those from before who have none it isn't known: providers have made
-- those with a link.
ALTER TABLE users ADD COLUMN password_withheld BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE users SET password_withheld = TRUE
	WHERE (password = '' OR password LIKE '!%') AND convert_to(CAST(id AS TEXT), 'UTF8') NOT IN (SELECT user_id FROM links);

-- +goose Up

-- Whether an administrator has left the user without a password. Of those from before who have none it isn't known: providers have made
-- those with a link.
ALTER TABLE users ADD COLUMN password_withheld INTEGER NOT NULL DEFAULT 0;
UPDATE users SET password_withheld = 1
	WHERE (password = '' OR password LIKE '!%') AND CAST(id AS TEXT) NOT IN (SELECT user_id FROM links);

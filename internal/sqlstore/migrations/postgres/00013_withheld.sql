-- +goose Up

-- Whether an administrator has left the user without a password. Of those from before who have none it isn't known. Those with a link are
-- not marked: providers have made nearly all of them, and a mark would keep these people from a first password for good. One that an
-- administrator has made can get it only by mail to an address that was proven, and its owner gets in by the link anyway.
ALTER TABLE users ADD COLUMN password_withheld BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE users SET password_withheld = TRUE
	WHERE (password = '' OR password LIKE '!%') AND convert_to(CAST(id AS TEXT), 'UTF8') NOT IN (SELECT user_id FROM links);

-- +goose Up

-- Messages that wait until a mail server has accepted them. The body is sealed: recipient, words, and what they are about.
CREATE TABLE outbox (
	id      TEXT    NOT NULL PRIMARY KEY,
	body    BLOB    NOT NULL,
	created INTEGER NOT NULL,
	due     INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	tries   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_due ON outbox (due);

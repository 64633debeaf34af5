-- +goose Up

-- Messages that wait until a mail server has accepted them. The body is sealed: recipient, words, and what they are about.
CREATE TABLE outbox (
	id      BYTEA  NOT NULL PRIMARY KEY,
	body    BYTEA  NOT NULL,
	created BIGINT NOT NULL,
	due     BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	tries   BIGINT NOT NULL
);
CREATE INDEX outbox_by_due ON outbox (due);

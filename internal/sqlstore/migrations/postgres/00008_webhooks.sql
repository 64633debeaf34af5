-- +goose Up

-- The endpoints that events are delivered to. The position is the last event of the audit log that an endpoint got. Its holder
-- delivers to it until a time.
CREATE TABLE webhooks (
	url      BYTEA  NOT NULL PRIMARY KEY,
	position BIGINT NOT NULL,
	tries    BIGINT NOT NULL,
	due      BIGINT NOT NULL,
	dropped  BIGINT NOT NULL,
	holder   BYTEA  NOT NULL,
	until    BIGINT NOT NULL
);

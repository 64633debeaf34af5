-- +goose Up

-- The endpoints that events are delivered to. The position is the last event of the audit log that an endpoint got. Its holder
-- delivers to it until a time.
CREATE TABLE webhooks (
	url      TEXT    NOT NULL PRIMARY KEY,
	position INTEGER NOT NULL,
	tries    INTEGER NOT NULL,
	due      INTEGER NOT NULL,
	dropped  INTEGER NOT NULL,
	holder   TEXT    NOT NULL,
	until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

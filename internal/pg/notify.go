package pg

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// writable is the condition under which a message is sent. A read-only server would deliver messages too, and a node that receives its own
// would wrongly conclude that it receives all.
const writable = `current_setting('transaction_read_only') = 'off'`

// channel is a schema, as a connection has found it, and the channel of its installation.
type channel struct{ schema, name string }

// notify sends a message on the channel of the schema of an expression. After the first message it names the channel to the server, since the
// server needs a fifth of the time to compute it. The server compares the schema: a node that went on sending to the channel of a former one would
// hear itself there, and not the others.
func (c *Conn) notify(ctx context.Context, schema, message string) error {
	if c.channel.name != "" {
		sent, err := c.notifyOn(ctx, c.channel, schema, message)
		if sent || err != nil {
			return err
		}
	}
	const named = `SELECT schema, channel, pg_notify(channel, $1) FROM `
	query := named + `(SELECT ` + schema + `::text AS schema, ` + channelOf(schema) + ` AS channel) AS named WHERE ` + writable
	err := c.Conn.Conn().QueryRow(ctx, query, message).Scan(&c.channel.schema, &c.channel.name, nil)
	if errors.Is(err, pgx.ErrNoRows) {
		_ = c.readOnly() // if the server has said so, it closes the other connections too
		return ErrReadOnly
	}
	return c.afterSending(err)
}

// notifyOn sends a message on a channel, unless it is no longer that of the expression, or the server is read-only.
func (c *Conn) notifyOn(ctx context.Context, on channel, schema, message string) (sent bool, err error) {
	tag, err := c.Conn.Conn().Exec(ctx, `SELECT pg_notify($1, $2) WHERE `+writable+` AND `+schema+`::text = $3`, on.name, message, on.schema)
	return tag.RowsAffected() == 1, c.afterSending(err)
}

func (c *Conn) afterSending(err error) error {
	if err != nil && pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return c.judge(err)
}

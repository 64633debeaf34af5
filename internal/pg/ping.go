package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// pause is how long a connection may be idle before a firewall may have dropped it.
	pause = time.Second
	// pingTimeout bounds the server's answer to a ping. It leaves the caller time for another connection.
	pingTimeout = time.Second
)

// unanswered pings the server after a pause. If no answer arrives in time, it closes the connection and returns true.
func unanswered(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration < pause {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return p.Conn.PgConn().Ping(ctx) != nil
}

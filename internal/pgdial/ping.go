package pgdial

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// pause is after how long without use a connection may have been forgotten by a firewall.
	pause = time.Second
	// pingTimeout is how long the server may take to say that it is there. Who asks wants another connection otherwise,
	// and within its own time.
	pingTimeout = time.Second
)

// unanswered asks the server after a pause whether it is still there. If it doesn't say so in time, the connection is
// closed, and true makes the driver notice.
func unanswered(ctx context.Context, p stdlib.ShouldPingParams) bool {
	if p.IdleDuration < pause {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return p.Conn.PgConn().Ping(ctx) != nil
}

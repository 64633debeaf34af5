package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/jackc/pgx/v5"
)

// channel is what the messages of one installation are sent on. A database may hold several, each in a schema.
const channel = `'cloakroom_' || left(encode(sha256(convert_to(coalesce(current_schema(), ''), 'UTF8')), 'hex'), 16)`

const (
	// feedConns is how many connections send: the server takes one message at a time anyway.
	feedConns = 2
	// longestRetry is how long Listen waits at most before it connects again.
	longestRetry = time.Second
)

// errPooled says that a pooler is where nobody may stand.
var errPooled = errors.New("a pooler stands between us and the server, which would keep what LISTEN brings; " +
	"give the server's own address: Config.Feed postgres://…")

// Feed is a feed.Feed by NOTIFY and LISTEN. The server's queue of notifications is in the order of commits, one for
// everybody.
type Feed struct {
	connector connector
	send      *sql.DB
}

// NewFeed returns the feed of the database at url, which must lead to the server itself: a pooler in transaction mode
// brings no notifications, and Listen says so. It doesn't connect yet. Close it when done.
func NewFeed(url string) (*Feed, error) {
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	a.config.RuntimeParams["application_name"] += " feed"
	a.conns = feedConns
	c := newConnector(a)
	return &Feed{connector: c, send: c.pool()}, nil
}

// Close ends the connections that send. Listen has its own, which ends with its context.
func (f *Feed) Close() error { return f.send.Close() }

// Send broadcasts a message. See feed.Feed.
func (f *Feed) Send(ctx context.Context, message string) error {
	if err := feed.Check(message); err != nil {
		return err
	}
	if _, err := f.send.ExecContext(ctx, `SELECT pg_notify(`+channel+`, $1)`, message); err != nil {
		return fmt.Errorf("send to the feed: %w", err)
	}
	return nil
}

// Listen hears the feed. See feed.Feed. An error says that a pooler is in between.
func (f *Feed) Listen(ctx context.Context, l feed.Listener) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, longestRetry) {
		began := time.Now()
		up, err := f.hear(ctx, l)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errPooled):
			return err
		case !up:
			l.Failed(err)
		case time.Since(began) > longestRetry: // it was well for a while
			wait = 10 * time.Millisecond
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return nil
		}
	}
}

// hear is one time of being up, if the server lets us, and reports whether it did.
func (f *Feed) hear(ctx context.Context, l feed.Listener) (up bool, err error) {
	conn, err := f.connect(ctx)
	if err != nil {
		return false, fmt.Errorf("listen to the feed: %w", err)
	}
	defer farewell(ctx, conn)
	l.Up()
	for {
		notice, err := conn.WaitForNotification(ctx)
		if err != nil {
			l.Down(fmt.Errorf("listen to the feed: %w", err))
			return true, err
		}
		l.Message(notice.Payload)
	}
}

// farewell closes a connection, and doesn't wait long for one whose other end has vanished.
func farewell(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	_ = conn.Close(ctx) // it is of no use any more, whatever happens
}

// connect returns a connection that listens.
func (f *Feed) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, f.connector.address.config.ConnectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, f.connector.address.config.Copy())
	if err != nil {
		return nil, oneLine{err}
	}
	if err := f.listen(ctx, conn); err != nil {
		farewell(ctx, conn)
		return nil, err
	}
	return conn, nil
}

func (f *Feed) listen(ctx context.Context, conn *pgx.Conn) error {
	pooled, err := inspect(ctx, conn)
	if err != nil {
		return err
	}
	if pooled {
		return errPooled
	}
	var name string
	if err := conn.QueryRow(ctx, `SELECT `+channel).Scan(&name); err != nil {
		return err
	}
	// A node that has stopped reading must not hold the server's queue for ever. On a Unix socket these say nothing.
	_, err = conn.Exec(ctx, `SET tcp_user_timeout = '10s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;
		SET tcp_keepalives_count = 3; LISTEN `+pgx.Identifier{name}.Sanitize())
	return err
}

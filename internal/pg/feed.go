package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// channelOf returns the expression for the channel's name. A database may hold several installations, each in its own schema.
func channelOf(schema string) string {
	return `'cloakroom_' || left(encode(sha256(convert_to(` + schema + `, 'UTF8')), 'hex'), 16)`
}

// currentSchema is the expression for the schema that the search path of a connection begins with.
const currentSchema = `coalesce(current_schema(), '')`

const (
	// longestRetry is the longest wait before Listen connects again.
	longestRetry = resilience.LongestProbePause
	// sendTries is how many connections are tried to send a message, of which the server may have closed all that were idle.
	sendTries = 4
)

// errPooled means that the feed's connection goes through a pooler.
var errPooled = errors.New("the connection goes through a pooler, where LISTEN receives nothing; " +
	"give the server's own address: Config.Feed postgres://…")

// Feed is a [feed.Feed] by NOTIFY and LISTEN. The server has one queue of notifications, in the order of commits.
type Feed struct {
	dialer *Dialer
	send   *sql.DB
	schema string        // the expression for the schema
	begun  chan struct{} // closed when the attempt of Connect has ended; nil: there is none
}

// NewFeed returns the feed of the database at url, which must lead to the server directly: through a pooler Listen returns an error,
// because a pooler in transaction mode delivers no notifications. It doesn't connect yet. Close the feed when done.
func NewFeed(url string) (*Feed, error) { return NewFeedInSchema(url, "") }

// NewFeedInSchema is [NewFeed] for tables in another schema than the default of url; "": the default.
func NewFeedInSchema(url, schema string) (*Feed, error) {
	a, err := ParseAddress(url)
	if err != nil {
		return nil, err
	}
	return feedOf(a, schema), nil
}

// NewFeedBeside returns the feed of the database of a program's own pool. It has connections of its own, with the settings of the pool's:
// the pool may be busy, and a node that can't send would have to stop answering from memory.
func NewFeedBeside(pool *pgxpool.Pool, schema string) (*Feed, error) {
	a, err := AddressOf(pool)
	if err != nil {
		return nil, err
	}
	return feedOf(a, schema), nil
}

func feedOf(a *Address, schema string) *Feed {
	a.ForFeed()
	d := NewDialer(a)
	f := &Feed{dialer: d, send: d.Pool(), schema: currentSchema}
	if schema != "" {
		f.schema = `'` + strings.ReplaceAll(schema, `'`, `''`) + `'`
	}
	return f
}

// Connect begins to connect, and doesn't wait for it. Send does, and tries again if it failed. Call Connect before any other method.
func (f *Feed) Connect(ctx context.Context) {
	f.begun = make(chan struct{})
	go func() {
		defer close(f.begun)
		_ = f.send.PingContext(ctx) // Send tells of the error
	}()
}

// Close closes the connections for sending. Listen has its own, which ends with its context.
func (f *Feed) Close() error { return f.send.Close() }

// Send implements [feed.Feed].
func (f *Feed) Send(ctx context.Context, message string) error {
	if err := feed.Check(message); err != nil {
		return err
	}
	if f.begun != nil {
		select {
		case <-f.begun:
		case <-ctx.Done():
			return fmt.Errorf("send to the feed: %w", ctx.Err())
		}
	}
	for try := 1; ; try++ {
		err := f.sendOnce(ctx, message)
		if err == nil {
			return nil
		}
		if !errors.Is(err, driver.ErrBadConn) || try == sendTries {
			return fmt.Errorf("send to the feed: %w", err)
		}
	}
}

// sendOnce returns driver.ErrBadConn if the server was lost before it was sent anything.
func (f *Feed) sendOnce(ctx context.Context, message string) error {
	conn, err := f.send.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives the connection back
	return conn.Raw(func(c any) error { return c.(*Conn).notify(ctx, f.schema, message) })
}

// Listen implements [feed.Feed]. An error means that there is a pooler in between.
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
		case time.Since(began) > longestRetry: // it worked for a while
			wait = 10 * time.Millisecond
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return nil
		}
	}
}

// hear listens on one connection until it is lost. up reports whether it was listening.
func (f *Feed) hear(ctx context.Context, l feed.Listener) (up bool, err error) {
	conn, err := f.connect(ctx)
	if err != nil {
		return false, fmt.Errorf("listen to the feed: %w", err)
	}
	defer conn.HangUp()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-conn.Over():
			cancel(ErrReadOnly)
		case <-ctx.Done():
		}
	}()
	l.Up()
	for {
		notice, err := conn.Conn.Conn().WaitForNotification(ctx)
		if err != nil {
			if context.Cause(ctx) == ErrReadOnly {
				err = ErrReadOnly
			}
			l.Down(fmt.Errorf("listen to the feed: %w", err))
			return true, err
		}
		l.Message(notice.Payload)
	}
}

// connect returns a connection that listens.
func (f *Feed) connect(ctx context.Context) (*Conn, error) {
	made, err := f.dialer.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn := made.(*Conn)
	ctx, cancel := context.WithTimeout(ctx, f.dialer.Address().ConnectTimeout())
	defer cancel()
	if err := f.listen(ctx, conn); err != nil {
		conn.HangUp()
		return nil, err
	}
	return conn, nil
}

func (f *Feed) listen(ctx context.Context, made *Conn) error {
	if made.Pooled() {
		return errPooled
	}
	conn := made.Conn.Conn()
	var name string
	if err := conn.QueryRow(ctx, `SELECT `+channelOf(f.schema)).Scan(&name); err != nil {
		return err
	}
	// A node that has stopped reading must not block the server's queue for ever. On a Unix socket these have no effect. For
	// idle_session_timeout, which PostgreSQL 14 and later have, a session that only listens is idle.
	_, err := conn.Exec(ctx, `SET tcp_user_timeout = '10s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;
		SET tcp_keepalives_count = 3;
		SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
		LISTEN `+pgx.Identifier{name}.Sanitize())
	return err
}

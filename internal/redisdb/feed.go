package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
)

const (
	// firstPause and longestPause bound the wait before the next attempt to listen.
	firstPause   = 50 * time.Millisecond
	longestPause = resilience.LongestProbePause
)

// broadcast is the feed of one database. The server runs one command at a time, so messages have one order, and each
// subscriber's connection delivers them in that order or breaks.
type broadcast struct {
	client  *link
	channel string
}

// Feed returns the feed of this database. All processes that open the same database share it. Each Listen has its own
// connection. Every client that may publish on the server can send on the feed.
func (db *DB) Feed() feed.Feed { return db.feed }

// newFeed puts the database's number into the channel's name, because channels are common to all databases of a server.
func newFeed(client *link, database int) *broadcast {
	return &broadcast{client, "cloakroom:feed:" + strconv.Itoa(database)}
}

func (b *broadcast) Send(ctx context.Context, message string) error {
	if err := feed.Check(message); err != nil {
		return err
	}
	if _, err := run(ctx, b.client, publishScript, b.channel, message); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func (b *broadcast) Listen(ctx context.Context, l feed.Listener) error {
	pause := firstPause
	for ctx.Err() == nil {
		up, err := b.listen(ctx, l)
		if forbidden(err) {
			return err
		}
		switch {
		case up:
			pause = firstPause
		case ctx.Err() == nil:
			l.Failed(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

// forbidden reports whether the user may not subscribe, which retrying doesn't change.
func forbidden(err error) bool {
	e, ok := errors.AsType[*rueidis.RedisError](err)
	return ok && strings.HasPrefix(e.Error(), "NOPERM")
}

var errLost = errors.New("the connection to redis is lost")

// listen listens on one connection until it is lost or ctx ends. up reports whether it was subscribed.
func (b *broadcast) listen(ctx context.Context, l feed.Listener) (up bool, err error) {
	conn, release := b.client.Dedicate()
	defer release()
	defer conn.Close()
	// The hooks are called one after the other, in the order of the server's messages, and never after lost is closed.
	// Until then only they use up.
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(s rueidis.PubSubSubscription) {
			if s.Kind == "subscribe" && !up {
				up = true
				l.Up()
			}
		},
		OnMessage: func(m rueidis.PubSubMessage) { l.Message(m.Message) },
	})
	err = b.await(ctx, conn, lost)
	conn.Close()
	for range lost {
	}
	if up {
		l.Down(err)
	}
	return up, err
}

// await subscribes, and returns an error when that fails, the connection is lost, or ctx ends.
func (b *broadcast) await(ctx context.Context, conn rueidis.DedicatedClient, lost <-chan error) error {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := conn.Do(bounded, conn.B().Subscribe().Channel(b.channel).Build()).Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-lost:
		return fmt.Errorf("%w: %w", errLost, err)
	}
}

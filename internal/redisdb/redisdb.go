// Package redis keeps sessions and the counters of failed tries in Redis 7 or later, or Valkey, and broadcasts there what
// changed: in one primary, without Redis Cluster.
//
// Each method is one step there, a command or a script, with two exceptions that no promise leans on: Touch and a list
// of everybody's sessions go in pieces. What was acknowledged is as safe as the server keeps it; [DB.Durable] asks.
//
// Every key begins with "cloakroom:". A session is one key. Three sorted sets find it by user, by public ID and by its
// end; none of them is asked about a ticket. Redis drops a session by itself a day after its end, by its own clock, so
// that nothing piles up if this program is gone for good; what is left of it in the sorted sets DeleteExpired clears
// away, on one node at a time: another removes nothing while one finds as much as it may take at once. DeleteUser costs in proportion to the user's sessions, everything else grows at most with the logarithm of all.
package redisdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

const (
	dialTimeout = 1500 * time.Millisecond
	// aliveEvery is how often a connection on which nothing arrives is tried.
	aliveEvery = 250 * time.Millisecond
	// answerTimeout is how long an answer may take before its connection is given up, and every call that waits on it.
	answerTimeout = 1500 * time.Millisecond
	// callTimeout bounds a call whose context doesn't.
	callTimeout = 5 * time.Second
)

// DB is a set of stores in one Redis database. It is safe for concurrent use.
//
// Calls share a few connections, on which answers come in the order of the questions; a call that is given up leaves
// its answer to be read and thrown away. A connection that is lost, or on which nothing comes for about two seconds,
// fails every call that waits on it, whose writes may have been done; the next call makes a new one. Nothing is tried
// twice. While the server is away calls fail at once, and one connection at a time is tried. A server that has become a
// replica is away: its answers count for nothing.
type DB struct {
	Sessions  session.Store
	Throttles throttle.Store

	client *link
	feed   *broadcast
}

// Open connects to the server that url names: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, with
// ?cacert=FILE for an authority of one's own and &cert=FILE&key=FILE for a certificate of the client's, or
// unix://[USER:PASSWORD@]/PATH[?db=DATABASE]. A server that is older than Redis 7, a replica or part of a Redis Cluster is
// an error. No error shows the password.
func Open(ctx context.Context, url string) (*DB, error) {
	option, err := options(url)
	if err != nil {
		return nil, err
	}
	client, err := connect(option)
	if err != nil {
		return nil, fmt.Errorf("connect to redis: %w", err)
	}
	node := rand.Text()
	db := &DB{client: client, Sessions: &sessions{client, node}, Throttles: newThrottles(client, node), feed: newFeed(client, option.SelectDB)}
	if err := db.fit(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return db, nil
}

// Close ends all connections. The DB must not be used afterwards.
func (db *DB) Close() error {
	db.client.Close()
	return nil
}

// Ping writes a key: nothing less tells whether the server takes writes. Callers that strangers can reach should ask at
// most once a second.
func (db *DB) Ping(ctx context.Context) error {
	_, err := do(ctx, db.client, db.client.B().Set().Key("cloakroom:health").Value("1").Build())
	if err != nil {
		return fmt.Errorf("write to redis: %w", err)
	}
	return nil
}

var errDamaged = errors.New("what redis holds is no session of this program's")

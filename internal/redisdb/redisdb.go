// Package redisdb keeps sessions and the counters of failed attempts in Redis 7 or later, or Valkey, and has a feed there: in
// one primary, without Redis Cluster. Package redis is its public face.
//
// Each method is one command or script, and so one step, with two exceptions: Touch, and a list of all users' sessions, work in
// pieces. No promise of a store depends on these being one step.
//
// Every key begins with "cloakroom:". A session is one key. Three sorted sets index it by user, by public ID and by its end;
// loading a session by its ticket uses none of them. Redis drops a session by itself a day after its end, by its own clock, so
// nothing piles up after this program has been removed. DeleteExpired removes the rest from the sorted sets, on one node at a
// time: while one node finds as much as its limit, the others remove nothing. DeleteUser takes time in proportion to the user's
// sessions; every other method takes at most the logarithm of all sessions.
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
	// aliveEvery is how often TCP probes a connection on which nothing arrives.
	aliveEvery = 250 * time.Millisecond
	// answerTimeout is how long an answer may take. After that the connection is closed, and every call that waits on it fails.
	answerTimeout = 1500 * time.Millisecond
	// callTimeout bounds every call.
	callTimeout = 5 * time.Second
)

// DB is a set of stores in one Redis database. It is safe for concurrent use.
//
// Calls share a few connections, on which answers arrive in the order of the commands. The answer to an abandoned call is read
// and dropped. When a connection is lost, or nothing arrives on it for about two seconds, every call that waits on it fails,
// although its write may have been done; the next call makes a new connection. No call is repeated. While the server is
// unreachable, calls fail at once, and one connection at a time is tried. A server that has become a replica counts as
// unreachable: its answers are dropped.
type DB struct {
	Sessions  session.Store
	Throttles throttle.Store

	client *link
	feed   *broadcast
}

// Open connects to the server at url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or
// unix://[USER:PASSWORD@]/PATH[?db=DATABASE]. With rediss, ?cacert=FILE names the certificate authority, and
// &cert=FILE&key=FILE a client certificate. A server older than Redis 7, a replica, and a part of a Redis Cluster are errors.
// No error shows the password.
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

// Close closes all connections. The DB must not be used afterwards.
func (db *DB) Close() error {
	db.client.Close()
	return nil
}

// Ping writes a key, because only a write shows whether the server takes writes. A caller that answers anonymous requests
// should call it at most once a second.
func (db *DB) Ping(ctx context.Context) error {
	_, err := do(ctx, db.client, db.client.B().Set().Key("cloakroom:health").Value("1").Build())
	if err != nil {
		return fmt.Errorf("write to redis: %w", err)
	}
	return nil
}

var errDamaged = errors.New("the stored value is not a session of this program")

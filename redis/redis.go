// Package redis keeps sessions and the counters of failed attempts in Redis 7 or later, or Valkey: in one primary, without
// Redis Cluster.
//
// Each method is one command or script, and so one step, with two exceptions: Touch, and a list of all users' sessions, work in
// pieces. An acknowledged write is as durable as the server makes it; [DB.Durable] asks the server.
//
// Every key begins with "cloakroom:". Redis drops a session by itself a day after its end, so nothing piles up after this
// program has been removed.
package redis

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/redisdb"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
)

// DB is a set of stores in one Redis database. It is safe for concurrent use.
//
// Calls share a few connections. When a connection is lost, or nothing arrives on it for about two seconds, every call that
// waits on it fails, although its write may have been done; the next call makes a new connection. No call is repeated. While
// the server is unreachable, calls fail at once, and one connection at a time is tried. A server that has become a replica
// counts as unreachable.
type DB struct {
	Sessions  session.Store
	Throttles throttle.Store

	db *redisdb.DB
}

// Open connects to the server at url: redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or
// unix://[USER:PASSWORD@]/PATH[?db=DATABASE]. With rediss, ?cacert=FILE names the certificate authority, and
// &cert=FILE&key=FILE a client certificate. A server older than Redis 7, a replica, and a part of a Redis Cluster are errors.
// No error shows the password.
func Open(ctx context.Context, url string) (*DB, error) {
	db, err := redisdb.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	return &DB{db.Sessions, db.Throttles, db}, nil
}

// Close closes all connections. The DB must not be used afterwards.
func (db *DB) Close() error { return db.db.Close() }

// Ping writes a key, because only a write shows whether the server takes writes. A caller that answers anonymous requests
// should call it at most once a second.
func (db *DB) Ping(ctx context.Context) error { return db.db.Ping(ctx) }

// A LossError says which acknowledged writes the server might lose.
type LossError struct {
	Reason string        // a sentence without its full stop
	Remedy string        // what to change on the server, likewise
	Most   time.Duration // writes of the last so much time may be lost; a day or more: any; 0: the server doesn't say
}

func (e *LossError) Error() string { return (*redisdb.LossError)(e).Error() }

// Durable asks the server how it keeps acknowledged writes. A *[LossError] means that a crash of the server could lose some,
// so that a sign-out is forgotten or a session lost, or that the server doesn't say; of several reasons it holds the worst.
// Any other error is an outage.
//
// Whatever the answer, a failover to a replica can lose what the replica hadn't received: no setting prevents that.
func (db *DB) Durable(ctx context.Context) error {
	err := db.db.Durable(ctx)
	if loss, ok := errors.AsType[*redisdb.LossError](err); ok {
		return (*LossError)(loss)
	}
	return err
}

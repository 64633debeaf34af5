// Package fence orders revocations before their writes, so that no node serves a cached entry that has been revoked.
//
// A node may answer from memory while it holds a lease. A node's lease is its own heartbeat received back from the feed; it
// counts from before the heartbeat was sent, on the monotonic clock. A dead feed therefore can't renew a lease, and a node
// that was paused checks the clock before it answers.
//
// A revocation is written to the store only after every other node has dropped the entry and acknowledged that it won't
// cache it for a while, or after that node's lease has run out. docs/architecture.md has the argument.
//
// A database that counts its commits, such as an SQLite file, needs no messages: see [NewCommits].
package fence

import (
	"context"
	"time"
)

// Memory is the cache that a [Validator] keeps valid. Its methods are safe for concurrent use.
type Memory interface {
	// Now returns the time on the monotonic clock by which leases, blocks and entries are measured.
	Now() time.Duration

	// Block drops the entries of the keys. What was read for them by a call that began at until or earlier isn't cached.
	Block(now, until time.Duration, keys []Key)

	// BlockAll invalidates every entry that was read by a call that began at until or earlier.
	BlockAll(until time.Duration)

	// UnblockAll replaces an earlier BlockAll, even one of [Forever], with a block until a given time.
	UnblockAll(until time.Duration)

	// Hold drops the entries of the keys and prevents that they are cached until release is called.
	Hold(keys []Key) (release func())
}

// Validator decides whether the entries of a [Memory] may still be served.
type Validator interface {
	// Live reports whether cached entries may be served at this time.
	Live(now time.Duration) bool

	// BeginRead is called before the store is read to fill the cache. Unchanged takes the point that it returns.
	// If ok is false, what is read must not be cached.
	BeginRead() (point uint64, ok bool)

	// Unchanged reports whether what was read since point may be cached. It is called under the lock under which entries
	// are dropped.
	Unchanged(point uint64) bool

	// Write calls write once no node serves, or will begin to cache, what the keys name, until write has returned.
	Write(ctx context.Context, keys []Key, write func(context.Context) error) error

	// Reach sends a message that changes nothing. An error means that revocations can't be published.
	Reach(ctx context.Context) error

	// Run listens until ctx ends. It is called once; it returns only errors that a retry can't fix.
	Run(ctx context.Context) error

	// Close ends what Write has begun where Run wasn't called. There are no writes afterwards.
	Close()
}

const (
	// lease is how long a heartbeat that came back lets a node answer from memory, counted from before it was sent.
	lease = time.Second
	// heartbeatEvery is how often an otherwise idle node sends a heartbeat.
	heartbeatEvery = lease / 4
	// margin is added to another node's lease, because its clock may run up to 2 % slower than ours.
	margin = lease / 50
	// maxSilence is how long a node listens without receiving its own heartbeats before it reconnects.
	maxSilence = 3 * time.Second

	// BlockFor is how long a node caches nothing for the keys of a notice, while the sender writes to the store.
	BlockFor = 3 * time.Second
)

// Forever is later than every time of [Memory.Now].
const Forever = time.Duration(1<<63 - 1)

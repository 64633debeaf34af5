// Package memory keeps everything in this process's memory: for tests, for trying things out, and as the shortest
// description of what a store does. Nothing survives the process.
//
// Every method looks at its context before it begins; once begun, it is too quick to be worth ending early.
package memory

import (
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/store"
)

// DB is a set of stores. All of them are safe for concurrent use; the zero value is not usable.
//
// A user's ID is never used again, not even after a deletion. Throttles are lost with the process, so a restart forgives
// every failed try.
type DB struct {
	store.Set
	feed *broadcast
}

// New returns an empty DB.
func New() *DB {
	return &DB{store.Set{
		Sessions: newSessions(), Accounts: newAccounts(), Tokens: newTokens(), Throttles: newThrottles(),
		Sealed: newKeys(), Audit: &events{},
	}, newBroadcast()}
}

// Feed returns the feed of this DB, between all that share the DB. A listener that falls thousands of messages behind goes
// down.
func (db *DB) Feed() feed.Feed { return db.feed }

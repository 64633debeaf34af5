// Package memory keeps everything in this process's memory: for tests, for trying things out, and as the shortest
// description of what a store does. Nothing survives the process.
//
// Every method looks at its context before it begins; once begun, it is too quick to be worth ending early.
package memory

import (
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// DB is a set of stores. All of them are safe for concurrent use; the zero value is not usable.
type DB struct {
	sessions  *sessions
	accounts  *accounts
	tokens    *tokens
	throttles *throttles
	keys      *keys
	events    *events
	feed      *broadcast
}

// New returns an empty DB.
func New() *DB {
	return &DB{newSessions(), newAccounts(), newTokens(), newThrottles(), newKeys(), &events{}, newBroadcast()}
}

// Sessions returns the sessions of this DB.
func (db *DB) Sessions() session.Store { return db.sessions }

// Accounts returns the users and groups of this DB. A user's ID is never used again, not even after a deletion.
func (db *DB) Accounts() account.Store { return db.accounts }

// Tokens returns the tokens of this DB.
func (db *DB) Tokens() token.Store { return db.tokens }

// Throttles returns the counters of this DB. They are lost with the process, so a restart forgives every failed try.
func (db *DB) Throttles() throttle.Store { return db.throttles }

// Audit returns the events of this DB.
func (db *DB) Audit() audit.Store { return db.events }

// Keys returns the sealed secrets of this DB.
func (db *DB) Keys() keyring.Store { return db.keys }

// Feed returns the feed of this DB, between whoever shares the DB. A listener who falls thousands of messages behind goes
// down.
func (db *DB) Feed() feed.Feed { return db.feed }

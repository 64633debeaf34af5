// Package memory keeps all stores in this process's memory: for tests, for trying things out, and as the shortest description
// of what a store does. Nothing survives the process.
//
// Every method checks its context before it begins. After that it is too quick to be worth interrupting.
package memory

import "github.com/cloakroom-auth/cloakroom/store"

// DB is a set of stores. All of them are safe for concurrent use; the zero value is not usable.
//
// A user's ID is never used again, not even after a deletion. The counters of failed attempts are lost with the process, so
// a restart forgets them all.
type DB struct{ store.Set }

// New returns an empty DB.
func New() *DB {
	log, accounts, factors, outbox := &events{}, newAccounts(), newFactors(), newOutbox()
	accounts.factors, accounts.outbox = factors, outbox
	return &DB{store.Set{
		Sessions: newSessions(), Accounts: accounts, Tokens: newTokens(), Throttles: newThrottles(),
		Sealed: newKeys(), Audit: log, Factors: factors, Signins: newSignins(), Links: newLinks(), Grants: newGrants(), Mail: outbox,
		Webhooks: newWebhooks(log),
	}}
}

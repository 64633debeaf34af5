// Package nearcache keeps sessions, accounts and tokens in this process's memory, and keeps what it remembers true: once
// a revocation has been acknowledged on any node, no check that begins afterwards on any node is answered from a memory
// that doesn't know of it.
//
// A [Cache] wraps stores. Its View methods answer checks from memory; everything else asks the store. What takes something
// away is fenced: each node that may answer from memory drops the entry and says so, or its lease runs out, before the
// store is written, and so before anybody is told that it is done. A lease is a node's own beat heard back on the feed,
// counted from before it was sent by the monotonic clock: a dead feed can't renew it, and a node that was paused looks at
// the clock before it answers.
//
// A process that revokes without keeping anything, such as the command line, wraps its stores too, and needs no Run.
//
// Where a [Commits] tells of every commit to the database, as an SQLite file on Linux can, no messages are needed.
package nearcache

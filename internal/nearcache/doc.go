// Package nearcache answers checks of sessions, accounts and tokens from this process's memory. Once a revocation has been
// acknowledged on any node, no check that begins afterwards on any node is answered from an entry that it revoked.
//
// A [Cache] wraps stores. Its LoadCached methods answer from memory; every other method asks the store. Writes that take something
// away go through package fence, which drops the entries on every node before the store is written.
//
// A process that revokes without caching anything, such as the command line, wraps its stores too, and needs no Run.
package nearcache

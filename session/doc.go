// Package session keeps people signed in: a record in a store for each signed-in browser, and an opaque ticket in a
// cookie that names it.
package session

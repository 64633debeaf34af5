package main

import "runtime"

// garbageRoom is how much more garbage than by GOGC alone may be in memory before it is collected, in bytes. Without it, the few MB
// that a server needs would double, and be collected, tens of times a second under load.
const garbageRoom = 8 << 20

// delayCollections makes room for garbage until release is called. The room counts as in use, but isn't touched, so the
// system gives no memory for it. Unlike a larger GOGC, it doesn't multiply the memory of a server that needs a lot.
func delayCollections() (release func()) {
	room := make([]byte, garbageRoom)
	return func() { runtime.KeepAlive(room) }
}

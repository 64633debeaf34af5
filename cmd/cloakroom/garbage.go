package main

import (
	"runtime"
	"time"
)

// garbageRoom is how much more garbage than by GOGC alone may be in memory before it is collected, in bytes. Without it, the few MB
// that a server needs would double, and be collected, tens of times a second under load.
const garbageRoom = 8 << 20

// roomAfter is when the room is made: a start leaves too little garbage for a collection, which making the room causes.
const roomAfter = time.Second

// delayCollections makes room for garbage, soon, until release is called. The room counts as in use, but isn't touched, so the
// system gives no memory for it. Unlike a larger GOGC, it doesn't multiply the memory of a server that needs a lot.
func delayCollections() (release func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-time.After(roomAfter):
		}
		room := make([]byte, garbageRoom)
		<-done
		runtime.KeepAlive(room)
	}()
	return func() { close(done) }
}

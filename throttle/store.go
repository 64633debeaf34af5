package throttle

import "context"

// Counter is what is remembered about one key. Times are whole seconds since 1970 UTC.
type Counter struct {
	Tries int   // failed or undecided tries in the present window
	Since int64 // when the window began
	Until int64 // no try is let through before this moment
	Level int   // how many times in a row the limit was reached; doubles the wait
	Ends  int64 // when the counter may be forgotten
}

// Store keeps counters. Implementations are safe for concurrent use, never read the clock, and survive a restart.
type Store interface {
	// Update reads the counters of these keys (a missing one is zero), lets change alter them in place, and writes them
	// back, in one step that no other Update of one of the keys comes between. An error of change is returned as it is,
	// and nothing is written. change must be quick, do no I/O, and may be called more than once.
	// A counter left zero is forgotten.
	Update(ctx context.Context, keys []string, change func([]Counter) error) error

	// DeleteExpired forgets at most limit counters with Ends <= now, and returns how many.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

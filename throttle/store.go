package throttle

import "context"

// Counter is the stored state of one key. Times are whole seconds since 1970 UTC.
type Counter struct {
	Tries int   // failed or unsettled tries in the current window
	Since int64 // when the window began
	Until int64 // tries are refused before this time
	Level int   // how many times in a row the limit was reached; doubles the wait
	Ends  int64 // when the counter may be deleted
}

// Store stores counters. Implementations are safe for concurrent use, never read the clock, and survive a restart.
type Store interface {
	// Update reads the counters of these keys (zero if missing), calls change to alter them in place, and writes them back,
	// in one atomic step. It returns an error of change unchanged, and writes nothing then. change must be quick, do no I/O,
	// and may be called more than once. A counter that is zero afterwards is deleted.
	Update(ctx context.Context, keys []string, change func([]Counter) error) error

	// DeleteExpired deletes at most limit counters with Ends <= now, and returns how many.
	DeleteExpired(ctx context.Context, now int64, limit int) (int, error)
}

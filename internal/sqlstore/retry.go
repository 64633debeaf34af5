package sqlstore

import (
	"context"
	"math/rand/v2"
	"time"
)

// tries bounds how often something is tried, the first time included.
const tries = 4

// retry does something, and does it again while it fails with an error after which may says that nobody could tell it was
// tried before. may may be nil: never.
func retry(ctx context.Context, retryable func(error) bool, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || retryable == nil || try == tries || !retryable(err) || ctx.Err() != nil {
			return err
		}
		// Those that got in each other's way must not meet again at once.
		select {
		case <-time.After(rand.N(time.Duration(try) * 5 * time.Millisecond)):
		case <-ctx.Done():
			return err
		}
	}
}

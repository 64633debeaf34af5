package resilience

import (
	"context"
	"math/rand/v2"
	"time"
)

// tries is how often something is tried at most, including the first time.
const tries = 4

// Retry calls do, and repeats it while it fails with an error for which retryable returns true, at most 4 times. A nil
// retryable means never.
func Retry(ctx context.Context, retryable func(error) bool, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || retryable == nil || try == tries || !retryable(err) || ctx.Err() != nil {
			return err
		}
		// Transactions that blocked each other must not meet again at once.
		select {
		case <-time.After(rand.N(time.Duration(try) * 5 * time.Millisecond)):
		case <-ctx.Done():
			return err
		}
	}
}

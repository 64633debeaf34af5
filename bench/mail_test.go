package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWelchTellsTimesApart that differ, and no others.
func TestWelchTellsTimesApart(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	times := func(around time.Duration) (all []time.Duration) {
		for range 2000 {
			all = append(all, around+time.Duration(random.NormFloat64()*float64(100*time.Microsecond)))
		}
		return all
	}
	if got := welch(times(time.Millisecond), times(time.Millisecond)); got > 4.5 {
		t.Errorf("equal times have t = %.2f", got)
	}
	if got := welch(times(time.Millisecond), times(1050*time.Microsecond)); got < 4.5 {
		t.Errorf("times that differ by 5%% have t = %.2f", got)
	}
}

//go:build unix

package harness

import (
	"syscall"
	"testing"
	"time"
)

// ProcessorTime returns the processor time of this process, the kernel's part included.
func ProcessorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchTogether calls do b.N times, by 16 callers on each processor at the same time, and reports the processor time of each call.
func BenchTogether(b *testing.B, do func() error) {
	b.Helper()
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	before := ProcessorTime(b)
	b.RunParallel(func(loop *testing.PB) {
		for loop.Next() {
			if err := do(); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(ProcessorTime(b)-before)/float64(b.N)/float64(time.Microsecond), "cpu-µs/op")
}

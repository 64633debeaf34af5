//go:build linux

package sqlite_test

import "sync"

// faultyDisk is a watcher that lets calls to the disk fail.
type faultyDisk struct {
	mu     sync.Mutex
	op     string // "write", "sync" or "truncate"
	code   int32  // what they return then
	from   int    // the number of the first such call that fails, counted from 1; 0: none
	to     int    // and of the last
	counts map[string]int
}

// strike lets the next calls fail, from the from-th to the to-th.
func (s *faultyDisk) strike(op string, code int32, from, to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.op, s.code, s.from, s.to, s.counts = op, code, from, to, map[string]int{}
}

func (s *faultyDisk) heal() { s.strike("", 0, 0, 0) }

// struck returns the number of calls of the failing kind.
func (s *faultyDisk) struck() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[s.op]
}

func (s *faultyDisk) call(op string, do func() int32) int32 {
	s.mu.Lock()
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.counts[op]++
	n := s.counts[op]
	fails := op == s.op && n >= s.from && n <= s.to
	s.mu.Unlock()
	if fails {
		return s.code
	}
	return do()
}

func (s *faultyDisk) write(_ string, _ int64, _ []byte, do func() int32) int32 {
	return s.call("write", do)
}
func (s *faultyDisk) truncate(_ string, _ int64, do func() int32) int32 {
	return s.call("truncate", do)
}

// sync doesn't sync the real disk, which would only take time.
func (s *faultyDisk) sync(string, func() int32) int32 {
	return s.call("sync", func() int32 { return 0 })
}

func (s *faultyDisk) delete(_ string, _ bool, do func() int32) int32 { return do() }

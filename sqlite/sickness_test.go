//go:build linux

package sqlite_test

import "sync"

// sickness is a watcher that lets calls to the disk fail.
type sickness struct {
	mu     sync.Mutex
	op     string // "write", "sync" or "truncate"
	code   int32  // what they return then
	from   int    // the number of the first such call that fails, counted from 1; 0: none
	to     int    // and of the last
	counts map[string]int
}

// strike lets the calls from the next from-th to the to-th fail from now on.
func (s *sickness) strike(op string, code int32, from, to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.op, s.code, s.from, s.to, s.counts = op, code, from, to, map[string]int{}
}

func (s *sickness) heal() { s.strike("", 0, 0, 0) }

// struck returns how many calls of the kind that fails there have been.
func (s *sickness) struck() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[s.op]
}

func (s *sickness) call(op string, do func() int32) int32 {
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

func (s *sickness) write(_ string, _ int64, _ []byte, do func() int32) int32 {
	return s.call("write", do)
}
func (s *sickness) truncate(_ string, _ int64, do func() int32) int32 { return s.call("truncate", do) }

// sync does not ask the real disk, which would only take time.
func (s *sickness) sync(string, func() int32) int32 {
	return s.call("sync", func() int32 { return 0 })
}

func (s *sickness) delete(_ string, _ bool, do func() int32) int32 { return do() }

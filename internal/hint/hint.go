// Package hint remembers which few of many keys something was true of the last time.
package hint

import "sync/atomic"

// slots is the number of keys that a Set remembers at most. They take 8 bytes each.
const slots = 4096

// Set is a set of keys that forgets some of them: those whose place another key has taken. So it may only decide what to try first. The zero
// value is empty. It is safe for concurrent use. Keys must be evenly spread in their lower bits.
type Set struct{ keys [slots]atomic.Uint64 }

func (s *Set) slot(key uint64) *atomic.Uint64 { return &s.keys[key%slots] }

// Has reports whether the key is remembered. It may say so of 0, which was never put.
func (s *Set) Has(key uint64) bool { return s.slot(key).Load() == key }

// Put remembers or forgets the key.
func (s *Set) Put(key uint64, in bool) {
	if in {
		s.slot(key).Store(key)
	} else {
		s.slot(key).CompareAndSwap(key, 0)
	}
}

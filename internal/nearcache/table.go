package nearcache

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// table is what is remembered of one kind of things, within a bound of bytes.
type table[V any] struct {
	kind   byte
	marks  *marks
	limit  int64 // of a shard, in bytes
	shift  int   // of a hash, to the number of its shard
	shards []shard[V]
}

// There are as many shards as have room for shardBytes each: the maps are small then, which spares misses of the
// processor's cache, and the oldest entry of a shard is still about the oldest of all.
const (
	shardBytes = 64 << 10
	maxShards  = 1 << 10
)

type shard[V any] struct {
	mu      sync.RWMutex
	entries map[sum]*entry[V]
	bytes   int64
	_       [64]byte // the next shard's lock is not on the same line
}

// entry is a thing as the store had it. It never changes, so it is safe to share; but for the time of its last use.
type entry[V any] struct {
	since time.Duration // when the call began that read it
	used  atomic.Int32  // in seconds
	bytes int32
	value V // begins with its ID, so that what each check looks at lies together
}

func newTable[V any](kind byte, m *marks, limit int64) *table[V] {
	n := 1
	for n < maxShards && int64(2*n)*shardBytes <= limit {
		n *= 2
	}
	t := &table[V]{kind: kind, marks: m, limit: limit / int64(n), shift: 65 - bits.Len(uint(n)), shards: make([]shard[V], n)}
	for i := range t.shards {
		t.shards[i].entries = map[sum]*entry[V]{}
	}
	return t
}

// shard spreads by all bytes of a sum: IDs need not be random.
func (t *table[V]) shard(s sum) *shard[V] {
	h := binary.LittleEndian.Uint64(s[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(s[8:]), 32)
	return &t.shards[h*0x9e3779b97f4a7c15>>t.shift]
}

// get returns what is remembered and may be believed at this time; nil: nothing. The caller has seen that the memory is
// true just before: in the other order an entry from before a lapse could be blessed by what was learned after it.
func (t *table[V]) get(now time.Duration, s sum) *entry[V] {
	shard := t.shard(s)
	shard.mu.RLock()
	e := shard.entries[s]
	shard.mu.RUnlock()
	if e == nil || now-e.since > maxAge || !t.marks.believes(e.since, t.kind) {
		return nil
	}
	if second := int32(now / time.Second); e.used.Load() != second {
		e.used.Store(second)
	}
	return e
}

// put keeps what was read by a call that began at since, if no mark speaks against it. still is asked last, under the lock
// under which entries are dropped.
func (t *table[V]) put(now, since time.Duration, s sum, value V, size int, still func() bool) {
	e := &entry[V]{value: value, since: since, bytes: int32(size)}
	e.used.Store(int32(now / time.Second))
	shard := t.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if !t.marks.allows(since, key{t.kind, s}) || !still() {
		return
	}
	if before := shard.entries[s]; before != nil && before.since > since {
		return
	}
	shard.set(s, e)
	for shard.bytes > t.limit && len(shard.entries) > 1 {
		shard.evict(s)
	}
}

// replace puts another value in the place of one that is there.
func (t *table[V]) replace(s sum, change func(V) (V, bool)) {
	shard := t.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	before := shard.entries[s]
	if before == nil {
		return
	}
	if value, ok := change(before.value); ok {
		e := &entry[V]{value: value, since: before.since, bytes: before.bytes}
		e.used.Store(before.used.Load())
		shard.entries[s] = e
	}
}

func (t *table[V]) drop(s sum) {
	shard := t.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.remove(s)
}

func (sh *shard[V]) set(s sum, e *entry[V]) {
	sh.remove(s)
	sh.entries[s] = e
	sh.bytes += int64(e.bytes)
}

func (sh *shard[V]) remove(s sum) {
	if e := sh.entries[s]; e != nil {
		sh.bytes -= int64(e.bytes)
		delete(sh.entries, s)
	}
}

// sample is among how many entries the one is looked for that was not used for the longest time.
const sample = 8

// evict removes an old entry other than spared: the oldest of a sample, since a map is gone through from a random place.
func (sh *shard[V]) evict(spared sum) {
	var oldest sum
	seen := 0
	used := int32(0)
	for s, e := range sh.entries {
		if s == spared {
			continue
		}
		if seen == 0 || e.used.Load() < used {
			oldest, used = s, e.used.Load()
		}
		if seen++; seen == sample {
			break
		}
	}
	sh.remove(oldest)
}

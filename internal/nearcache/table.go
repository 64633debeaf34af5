package nearcache

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// table holds the entries of one kind, within a bound in bytes.
type table[V any] struct {
	kind       byte
	tombstones *tombstones
	limit      int64 // of a shard, in bytes
	shift      int   // from a hash to the number of its shard
	shards     []shard[V]
}

// There are as many shards as have room for shardBytes each. Small maps cause fewer misses of the processor's cache, and the
// oldest entry of a shard is still about the oldest of all.
const (
	shardBytes = 64 << 10
	maxShards  = 1 << 10
)

type shard[V any] struct {
	mu      sync.RWMutex
	entries map[place]*entry[V]
	bytes   int64
	_       [64]byte // keeps the next shard's lock off this cache line
}

// place is where the entry of a sum is in its table. The callers compare the whole ID, so that of two IDs with the same place only one
// is kept.
type place uint64

// placeOf uses all bytes of a fence.Sum, because IDs need not be random.
func placeOf(s fence.Sum) place {
	h := binary.LittleEndian.Uint64(s[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(s[8:]), 32)
	return place(h * 0x9e3779b97f4a7c15)
}

// entry is a record as the store had it. Only the time of its last use changes, so it is safe to share.
type entry[V any] struct {
	since time.Duration // when the call that read it began
	used  atomic.Int32  // last use, in seconds
	bytes int32
	value V // begins with its ID, so that the fields of a check lie together
}

func newTable[V any](kind byte, ts *tombstones, limit int64) *table[V] {
	n := 1
	for n < maxShards && int64(2*n)*shardBytes <= limit {
		n *= 2
	}
	t := &table[V]{kind: kind, tombstones: ts, limit: limit / int64(n), shift: 65 - bits.Len(uint(n)), shards: make([]shard[V], n)}
	for i := range t.shards {
		t.shards[i].entries = map[place]*entry[V]{}
	}
	return t
}

func (t *table[V]) shard(p place) *shard[V] { return &t.shards[p>>t.shift] }

// get returns the entry at the place of a sum, which may be that of another, if it may be served at this time; nil: there is none. The
// caller has checked just before that the cache is live: in the other order, an entry from before a lapse could pass after the lapse has
// ended.
func (t *table[V]) get(now time.Duration, s fence.Sum) *entry[V] {
	p := placeOf(s)
	shard := t.shard(p)
	shard.mu.RLock()
	e := shard.entries[p]
	shard.mu.RUnlock()
	if e == nil || now-e.since > maxAge || !t.tombstones.permitsServing(e.since, t.kind) {
		return nil
	}
	if second := int32(now / time.Second); e.used.Load() != second {
		e.used.Store(second)
	}
	return e
}

// put caches what was read by a call that began at since, unless a tombstone forbids it. unchanged is called last, under the
// lock under which entries are dropped.
func (t *table[V]) put(now, since time.Duration, s fence.Sum, value V, size int, unchanged func() bool) {
	e := &entry[V]{value: value, since: since, bytes: int32(size)}
	e.used.Store(int32(now / time.Second))
	p := placeOf(s)
	shard := t.shard(p)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if !t.tombstones.permitsCaching(since, fence.Key{Kind: t.kind, Sum: s}) || !unchanged() {
		return
	}
	if before := shard.entries[p]; before != nil && before.since > since {
		return
	}
	shard.set(p, e)
	for shard.bytes > t.limit && len(shard.entries) > 1 {
		shard.evict(p)
	}
}

// replace changes the value of an entry that exists.
func (t *table[V]) replace(s fence.Sum, change func(V) (V, bool)) {
	p := placeOf(s)
	shard := t.shard(p)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	before := shard.entries[p]
	if before == nil {
		return
	}
	if value, ok := change(before.value); ok {
		e := &entry[V]{value: value, since: before.since, bytes: before.bytes}
		e.used.Store(before.used.Load())
		shard.entries[p] = e
	}
}

func (t *table[V]) drop(s fence.Sum) {
	p := placeOf(s)
	shard := t.shard(p)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.remove(p)
}

func (sh *shard[V]) set(p place, e *entry[V]) {
	sh.remove(p)
	sh.entries[p] = e
	sh.bytes += int64(e.bytes)
}

func (sh *shard[V]) remove(p place) {
	if e := sh.entries[p]; e != nil {
		sh.bytes -= int64(e.bytes)
		delete(sh.entries, p)
	}
}

// sample is the number of entries among which evict looks for the least recently used one.
const sample = 8

// evict removes the least recently used entry of a sample other than spared. Iteration over a map begins at a random place.
func (sh *shard[V]) evict(spared place) {
	var oldest place
	seen := 0
	used := int32(0)
	for p, e := range sh.entries {
		if p == spared {
			continue
		}
		if seen == 0 || e.used.Load() < used {
			oldest, used = p, e.used.Load()
		}
		if seen++; seen == sample {
			break
		}
	}
	sh.remove(oldest)
}

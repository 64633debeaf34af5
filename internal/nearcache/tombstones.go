package nearcache

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

const (
	// maxAge is how long an entry may be served, counted from before it was read. It limits the harm of a fault elsewhere.
	maxAge = 60 * time.Second
	// keepTombstones is how long a tombstone is kept at least: as long as any entry that it may concern.
	keepTombstones = maxAge + 2*fence.BlockFor
	// maxTombstones bounds the tombstones of that time.
	maxTombstones = 250_000
)

// tombstones say what must not be served or cached: what was read from the store by a call that began at or before the time
// of the tombstone, whether that call was in progress when the tombstone was set or began later.
type tombstones struct {
	all      atomic.Int64 // covers everything
	accounts atomic.Int64 // covers all accounts
	owners   atomic.Bool  // there may be a tombstone of an owner

	mu      sync.RWMutex
	young   map[fence.Key]time.Duration
	old     map[fence.Key]time.Duration
	rotated time.Duration
	held    map[fence.Key]int // number of writes in progress; nothing is cached for these
}

// setAll covers everything. It never moves back.
func (t *tombstones) setAll(until time.Duration) { raise(&t.all, until) }

// resetAll covers everything until a time, whatever setAll said before.
func (t *tombstones) resetAll(until time.Duration) { t.all.Store(int64(until)) }

// raise never moves a time back.
func raise(mark *atomic.Int64, until time.Duration) {
	for {
		before := mark.Load()
		if int64(until) <= before || mark.CompareAndSwap(before, int64(until)) {
			return
		}
	}
}

// permitsServing reports whether an entry may be served that was read by a call that began at since. It ignores the
// tombstone of the entry's own key: setting that one has dropped the entry.
func (t *tombstones) permitsServing(since time.Duration, kind byte) bool {
	if int64(since) <= t.all.Load() {
		return false
	}
	return kind != fence.Account || int64(since) > t.accounts.Load()
}

// permitsCaching reports whether what a call that began at since has read may be cached under a key.
func (t *tombstones) permitsCaching(since time.Duration, k fence.Key) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.permitsServing(since, k.Kind) && t.permits(since, k) && t.held[fence.Key{Kind: fence.Everything}] == 0 &&
		(k.Kind != fence.Account || t.held[fence.Key{Kind: fence.AllAccounts}] == 0)
}

// permits looks at the tombstone of one key. The caller holds mu.
func (t *tombstones) permits(since time.Duration, k fence.Key) bool {
	return since > t.get(k) && t.held[k] == 0
}

// anyOwner reports whether there may be a tombstone of an owner. It is cheap.
func (t *tombstones) anyOwner() bool { return t.owners.Load() }

// permitsOwner reports whether an entry that was read at since may be served as far as its owner's tombstone is concerned.
func (t *tombstones) permitsOwner(since time.Duration, owner fence.Key) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.permits(since, owner)
}

// set sets tombstones. One with a later time stays.
func (t *tombstones) set(now, until time.Duration, keys []fence.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rotate(now)
	for _, k := range keys {
		t.put(k, until)
	}
}

// hold sets tombstones that stay until release.
func (t *tombstones) hold(now time.Duration, keys []fence.Key) {
	t.set(now, now, keys)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = map[fence.Key]int{}
	}
	for _, k := range keys {
		t.held[k]++
	}
}

// release ends a hold, and sets tombstones as of now.
func (t *tombstones) release(now time.Duration, keys []fence.Key) {
	t.set(now, now, keys)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		if t.held[k]--; t.held[k] == 0 {
			delete(t.held, k)
		}
	}
}

func (t *tombstones) put(k fence.Key, until time.Duration) {
	switch k.Kind {
	case fence.AllAccounts:
		raise(&t.accounts, until)
		return
	case fence.Everything:
		t.setAll(until)
		return
	case fence.SessionsOf, fence.TokensOf:
		t.owners.Store(true)
	}
	if t.young == nil {
		t.young = map[fence.Key]time.Duration{}
	}
	t.young[k] = max(until, t.get(k))
}

func (t *tombstones) get(k fence.Key) time.Duration {
	if until, ok := t.young[k]; ok {
		return until
	}
	if until, ok := t.old[k]; ok {
		return until
	}
	return -1
}

// rotate forgets tombstones that no entry can concern any more. If there are too many, it forgets all of them, and
// invalidates every entry instead.
func (t *tombstones) rotate(now time.Duration) {
	switch {
	case len(t.young) >= maxTombstones:
		t.setAll(now + fence.BlockFor)
		t.young, t.old = nil, nil
	case now-t.rotated > keepTombstones:
		t.owners.Store(len(t.young) > 0 || len(t.held) > 0)
		t.old, t.young = t.young, nil
	default:
		return
	}
	t.rotated = now
}

package nearcache

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// hold is T: for how long after a notice nothing that it speaks of is kept, while whoever gave it writes to the store.
	hold = 3 * time.Second
	// maxAge is how long an entry may be served, counted from before it was read: the last net.
	maxAge = 60 * time.Second
	// keepMarks is how long a mark is kept at least: for as long as anything that it speaks of.
	keepMarks = maxAge + 2*hold
	// maxMarks bounds the marks of that time.
	maxMarks = 250_000
	// forever is past every time.
	forever = time.Duration(math.MaxInt64)
)

// marks say what must not be believed: whatever was read from the store by a call that began at or before the time of the
// mark. It makes no difference whether that call was under way when the mark was set or began later, nor how long it took.
type marks struct {
	all      atomic.Int64 // what is marked of everything
	accounts atomic.Int64 // what is marked of all accounts
	owners   atomic.Bool  // some mark is one of an owner, or may be

	mu     sync.RWMutex
	young  map[key]time.Duration
	old    map[key]time.Duration
	turned time.Duration
	held   map[key]int // how many writes are under way; nothing of these is kept
}

// void marks everything.
func (m *marks) void(until time.Duration) { raise(&m.all, until) }

// resume marks everything anew, after it was marked forever.
func (m *marks) resume(until time.Duration) { m.all.Store(int64(until)) }

// raise never takes anything back.
func raise(mark *atomic.Int64, until time.Duration) {
	for {
		before := mark.Load()
		if int64(until) <= before || mark.CompareAndSwap(before, int64(until)) {
			return
		}
	}
}

// believes reports whether a memory of what was read by a call that began at since may be served. The key's own mark is
// not looked at: whoever set it has dropped the entry.
func (m *marks) believes(since time.Duration, kind byte) bool {
	if int64(since) <= m.all.Load() {
		return false
	}
	return kind != anAccount || int64(since) > m.accounts.Load()
}

// allows reports whether what a call read that began at since may be kept under a key.
func (m *marks) allows(since time.Duration, k key) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.believes(since, k.kind) && m.free(since, k) && (k.kind != anAccount || m.held[key{kind: allAccounts}] == 0)
}

// free is allows for the mark of one key. The caller has locked.
func (m *marks) free(since time.Duration, k key) bool {
	return since > m.get(k) && m.held[k] == 0
}

// owned is allows for the mark of an owner. It costs nothing while there are none.
func (m *marks) owned(since time.Duration, owner func() key) bool {
	if !m.owners.Load() {
		return true
	}
	k := owner()
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.free(since, k)
}

// set marks keys. A mark that says more stays.
func (m *marks) set(now, until time.Duration, keys []key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	for _, k := range keys {
		m.put(k, until)
	}
}

// take holds keys until they are released, beside marking them.
func (m *marks) take(now time.Duration, keys []key) {
	m.set(now, now, keys)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held == nil {
		m.held = map[key]int{}
	}
	for _, k := range keys {
		m.held[k]++
	}
}

// release marks keys that were held, as of now.
func (m *marks) release(now time.Duration, keys []key) {
	m.set(now, now, keys)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if m.held[k]--; m.held[k] == 0 {
			delete(m.held, k)
		}
	}
}

func (m *marks) put(k key, until time.Duration) {
	switch k.kind {
	case allAccounts:
		raise(&m.accounts, until)
		return
	case sessionsOf, tokensOf:
		m.owners.Store(true)
	}
	if m.young == nil {
		m.young = map[key]time.Duration{}
	}
	m.young[k] = max(until, m.get(k))
}

func (m *marks) get(k key) time.Duration {
	if until, ok := m.young[k]; ok {
		return until
	}
	if until, ok := m.old[k]; ok {
		return until
	}
	return -1
}

// turn forgets marks that speak of nothing any more. When there are too many, it forgets them all, and everything that
// they might have spoken of.
func (m *marks) turn(now time.Duration) {
	switch {
	case len(m.young) >= maxMarks:
		m.void(now + hold)
		m.young, m.old = nil, nil
	case now-m.turned > keepMarks:
		m.owners.Store(len(m.young) > 0 || len(m.held) > 0)
		m.old, m.young = m.young, nil
	default:
		return
	}
	m.turned = now
}

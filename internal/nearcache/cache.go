package nearcache

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
)

// Config says what keeps a memory true. Exactly one of Feed and Commits is needed.
type Config struct {
	Feed    feed.Feed // between all nodes that use the stores
	Commits Commits   // of the database that all the stores are in

	Strict   bool         // remember nothing: each check asks the store. Revocations are still fenced, for the sake of nodes that remember
	MaxBytes int64        // of everything remembered, roughly; 0: 256 MiB
	Log      *slog.Logger // nil: silent
}

// Commits tells of every commit to a database, whoever makes it. It is safe for concurrent use, and quick.
type Commits interface {
	// Seen returns how many commits there have been, and how many of them by other processes; what is not a commit may
	// count as one. False says that it isn't known, because one is under way, say: nothing that was read before may be
	// believed just now. A commit that has returned, in whatever process, is counted, or makes it false.
	Seen() (all, others uint64, ok bool)

	// Run does what must be done in the background, until ctx ends.
	Run(ctx context.Context) error
}

// Cache is what one process remembers of its stores. The methods that wrap a store are to be called once each. A Cache is
// safe for concurrent use.
type Cache struct {
	base  time.Time
	marks marks
	truth truth
	limit int64
	log   *slog.Logger

	dropSession, dropToken, dropAccount func(sum)
}

// truth is how it is known that the memory is true.
type truth interface {
	// live reports whether what is remembered may be believed at this time.
	live(now time.Duration) bool

	// begin is called before something is read to be kept, and returns what same wants to know. False: don't keep it.
	begin() (point uint64, ok bool)

	// same reports whether what was read since may be kept. It is called under the lock under which entries are dropped.
	same(point uint64) bool

	// fence calls write when no memory that may be believed holds anything under the keys, on whatever node, nor will
	// before write has returned.
	fence(ctx context.Context, keys []key, write func(context.Context) error) error

	// reach returns an error if what ends could not be announced.
	reach(ctx context.Context) error

	run(ctx context.Context) error
}

// New returns a Cache that remembers nothing yet.
func New(config Config) *Cache {
	c := &Cache{base: time.Now(), limit: config.MaxBytes, log: config.Log}
	if c.limit == 0 {
		c.limit = 256 << 20
	}
	none := func(sum) {}
	c.dropSession, c.dropToken, c.dropAccount = none, none, none
	if config.Feed != nil {
		c.truth = newNode(c, config.Feed, config.Strict)
	} else {
		c.truth = &database{cache: c, commits: config.Commits, strict: config.Strict}
	}
	return c
}

// Run listens to the feed until ctx ends, and then tells the other nodes that this one remembers nothing any more. Without
// it nothing is remembered, and each revocation takes about a second. Run it once; an error is one that no waiting mends.
func (c *Cache) Run(ctx context.Context) error { return c.truth.run(ctx) }

// Reach sends a word to the other nodes that means nothing to them. An error says that nothing could be revoked now.
func (c *Cache) Reach(ctx context.Context) error { return c.truth.reach(ctx) }

// now is the time on the clock that every mark, lease and entry is measured by: it goes on evenly, whatever is done to the
// clock on the wall.
func (c *Cache) now() time.Duration { return time.Since(c.base) }

// live returns the time, and whether what is remembered may be believed at it.
func (c *Cache) live() (now time.Duration, ok bool) {
	now = c.now()
	return now, c.truth.live(now)
}

// drop forgets what is remembered under the keys. The marks are set before.
func (c *Cache) drop(keys []key) {
	for _, k := range keys {
		switch k.kind {
		case aSession:
			c.dropSession(k.sum)
		case aToken:
			c.dropToken(k.sum)
		case anAccount:
			c.dropAccount(k.sum)
		}
	}
}

// bar marks the keys and drops them.
func (c *Cache) bar(now, until time.Duration, keys []key) {
	c.marks.set(now, until, keys)
	c.drop(keys)
}

// forget drops what an unfenced write has changed: this node reads its own writes.
func (c *Cache) forget(keys ...key) {
	now := c.now()
	c.bar(now, now, keys)
}

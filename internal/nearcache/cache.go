package nearcache

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache/fence"
)

// Config says how cached entries are kept valid. Exactly one of Feed and Commits is needed.
type Config struct {
	Feed    feed.Feed           // between all nodes that use the stores
	Commits fence.CommitCounter // of the database that holds all the stores

	// Direct is how nodes acknowledge revocations without the feed; nil: they use the feed for that too. It has no effect without Feed.
	Direct fence.Direct

	// Strict disables caching, so that each check asks the store. Revocations are still fenced, for nodes that cache.
	Strict bool

	MaxBytes int64        // limits the memory of all entries, roughly; 0: 256 MiB
	Log      *slog.Logger // nil: silent
}

// Cache caches the records of a process's stores. Call each method that wraps a store once. Safe for concurrent use.
type Cache struct {
	base       time.Time
	tombstones tombstones
	validator  fence.Validator
	limit      int64

	dropSession, dropToken, dropAccount func(fence.Sum)

	sessions *sessions
	accounts *accounts
}

// New returns an empty Cache.
func New(config Config) *Cache {
	c := &Cache{base: time.Now(), limit: config.MaxBytes}
	if c.limit == 0 {
		c.limit = 256 << 20
	}
	none := func(fence.Sum) {}
	c.dropSession, c.dropToken, c.dropAccount = none, none, none
	if config.Feed != nil {
		c.validator = fence.NewNode(memory{c}, config.Feed, config.Direct, config.Strict, config.Log)
	} else {
		c.validator = fence.NewCommits(memory{c}, config.Commits, config.Strict)
	}
	return c
}

// Run listens to the feed until ctx ends, and then tells the other nodes that this one no longer caches anything. Without it
// nothing is cached, and the first revocation begins to listen, until [Cache.Close]. Run it once; it returns only errors that a
// retry can't fix.
func (c *Cache) Run(ctx context.Context) error { return c.validator.Run(ctx) }

// Close ends the listening that a revocation without Run has begun. Nothing may be revoked afterwards.
func (c *Cache) Close() { c.validator.Close() }

// Reach publishes a message that changes nothing. An error means that revocations can't be published.
func (c *Cache) Reach(ctx context.Context) error { return c.validator.Reach(ctx) }

// DropEverything makes every node forget all that it has cached. When it returns, no node serves anything that it read before the
// call.
func (c *Cache) DropEverything(ctx context.Context) error {
	return c.fenced(ctx, func(context.Context) error { return nil }, fence.Key{Kind: fence.Everything})
}

// now returns the time by which tombstones, leases and entries are measured. Setting the wall clock doesn't change it.
func (c *Cache) now() time.Duration { return time.Since(c.base) }

// live returns the time, and whether entries may be served at it.
func (c *Cache) live() (now time.Duration, ok bool) {
	now = c.now()
	return now, c.validator.Live(now)
}

// drop removes the entries of the keys. Their tombstones are set before.
func (c *Cache) drop(keys []fence.Key) {
	for _, k := range keys {
		switch k.Kind {
		case fence.Session:
			c.dropSession(k.Sum)
		case fence.Token:
			c.dropToken(k.Sum)
		case fence.Account:
			c.dropAccount(k.Sum)
		}
	}
}

// forget drops what an unfenced write has changed, so that this node reads its own writes.
func (c *Cache) forget(keys ...fence.Key) {
	now := c.now()
	memory{c}.Block(now, now, keys)
}

// fenced runs a write behind the fence of the keys.
func (c *Cache) fenced(ctx context.Context, write func(context.Context) error, keys ...fence.Key) error {
	return c.validator.Write(ctx, keys, write)
}

// memory implements fence.Memory for the Cache.
type memory struct{ *Cache }

func (m memory) Now() time.Duration { return m.now() }

func (m memory) Block(now, until time.Duration, keys []fence.Key) {
	m.tombstones.set(now, until, keys)
	m.drop(keys)
}

func (m memory) BlockAll(until time.Duration)   { m.tombstones.setAll(until) }
func (m memory) UnblockAll(until time.Duration) { m.tombstones.resetAll(until) }

func (m memory) Hold(keys []fence.Key) (release func()) {
	m.tombstones.hold(m.now(), keys)
	m.drop(keys)
	return func() { m.tombstones.release(m.now(), keys) }
}

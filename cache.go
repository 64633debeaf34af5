package cloakroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/pgfeed"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// cachedStores is the stores whose checks this process answers from memory.
type cachedStores struct {
	sessions session.Store
	accounts account.Store
	tokens   token.Store

	accountsCache *nearcache.Cache // nil: accounts aren't cached
	caches        []*nearcache.Cache
	feed          *pgfeed.Feed // closed with the server; nil: there is none
}

func (n *cachedStores) close() error {
	if n == nil || n.feed == nil {
		return nil
	}
	return n.feed.Close()
}

// reach returns an error if revocations can't be published to the other nodes.
func (n *cachedStores) reach(ctx context.Context) error {
	for _, cache := range n.caches {
		if err := cache.Reach(ctx); err != nil {
			return err
		}
	}
	return nil
}

// strict reports whether nothing may be cached.
func (c *Config) strict() (bool, error) {
	switch c.Revocation {
	case "", "fenced":
		return false, nil
	case "strict":
		return true, nil
	}
	return false, fmt.Errorf("Config.Revocation %q is neither fenced nor strict", c.Revocation)
}

// cacheStores wraps the stores in a cache, if a feed or the SQLite file's commit counter can keep one valid. With strict nothing is
// cached, but where other nodes may cache, revocations are published to them all the same.
func (c *Config) cacheStores(ctx context.Context, st *storage) (*cachedStores, error) {
	m := c.metrics
	n := &cachedStores{sessions: m.Sessions(st.Sessions), accounts: m.Accounts(st.Accounts), tokens: m.Tokens(st.Tokens)}
	config, err := n.validator(ctx, c, st)
	if err != nil {
		return nil, err
	}
	if config != nil {
		cache := n.add(c, *config)
		n.accountsCache = cache
		n.accounts, n.tokens = cache.Accounts(n.accounts), cache.Tokens(n.tokens)
		if st.redis == nil || config.Feed != nil { // one feed serves both stores
			n.sessions = cache.Sessions(n.sessions)
			if st.django != nil {
				n.accounts = endsSessions{n.accounts, n.sessions}
			}
			return n, nil
		}
	}
	if st.redis != nil {
		n.sessions = n.add(c, nearcache.Config{Feed: c.metrics.Feed(st.redis.Feed())}).Sessions(n.sessions)
	}
	return n, nil
}

// validator returns what keeps a cache of the accounts valid; nil: nothing does.
func (n *cachedStores) validator(ctx context.Context, c *Config, st *storage) (*nearcache.Config, error) {
	strict, err := c.strict()
	if err != nil {
		return nil, err
	}
	switch {
	case st.django != nil:
		return n.djangoFeed(ctx, c, st)
	case st.postgres != nil:
		return n.postgresFeed(ctx, c, or(c.Feed, c.DB), c.DB, "")
	case c.Feed != "":
		return nil, errors.New("Config.Feed: it goes with Config.DB postgres://… alone")
	case st.sqlite == nil || strict:
		return nil, nil
	}
	commits, err := st.sqlite.Commits(ctx)
	if err != nil {
		c.Log.LogAttrs(ctx, slog.LevelInfo, "every check asks the database", slog.Any("reason", err))
		return nil, nil
	}
	return &nearcache.Config{Commits: commits}, nil
}

// djangoFeed returns the feed that triggers on Django's tables write to, if they are installed.
func (n *cachedStores) djangoFeed(ctx context.Context, c *Config, st *storage) (*nearcache.Config, error) {
	if c.Feed != "" && st.feed == "" {
		return nil, errors.New("Config.Feed: it goes with Config.DB django+postgres://… alone")
	}
	installed, err := st.django.HasFeed(ctx)
	if err != nil {
		return nil, err
	}
	if !installed {
		reason := "Django's changes to an SQLite file can't be followed"
		if st.feed != "" {
			reason = "there is no feed; see cloakroom django install-feed"
		}
		c.Log.LogAttrs(ctx, slog.LevelInfo, "every check asks the database", slog.String("reason", reason))
		return nil, nil
	}
	return n.postgresFeed(ctx, c, st.feed, strings.TrimPrefix(c.DB, djangoScheme), django.Schema)
}

// postgresFeed returns the feed at an address. One that Config.Feed names must belong to the same database, with our tables in
// that schema.
func (n *cachedStores) postgresFeed(ctx context.Context, c *Config, feed, db, schema string) (_ *nearcache.Config, err error) {
	if n.feed, err = pgfeed.New(feed); err != nil {
		return nil, fmt.Errorf("Config.Feed: %w", err)
	}
	if c.Feed != "" {
		if err := n.feed.CheckSameDatabase(ctx, db, schema); err != nil {
			return nil, errors.Join(fmt.Errorf("Config.Feed: %w", err), n.feed.Close())
		}
	}
	return &nearcache.Config{Feed: c.metrics.Feed(n.feed)}, nil
}

func (n *cachedStores) add(c *Config, config nearcache.Config) *nearcache.Cache {
	config.Strict, _ = c.strict()
	config.MaxBytes, config.Log = c.MemoryBytes, c.Log
	cache := nearcache.New(config)
	n.caches = append(n.caches, cache)
	return cache
}

// run keeps a cache valid. Without its feed nothing is cached and each check asks the database, which is slow and never wrong.
func (n *cachedStores) run(ctx context.Context, cache *nearcache.Cache, log *slog.Logger) error {
	if err := cache.Run(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "no feed: every check asks the database, and each sign-out takes a second", slog.Any("error", err))
		<-ctx.Done()
	}
	return nil
}

// endsSessions is Django's accounts beside cached sessions. If a change moves the epoch but not the password, the store
// deletes the rows of the user's sessions; here the sessions are deleted through the cache as well.
type endsSessions struct {
	account.Store
	sessions session.Store
}

// View implements account.Viewer.
func (a endsSessions) View(ctx context.Context, id string) (*account.User, error) {
	return account.View(ctx, a.Store, id)
}

func (a endsSessions) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	ended := false
	u, err := a.Store.Change(ctx, id, func(u *account.User) error {
		epoch, password := u.Epoch, u.Password
		err := change(u)
		ended = u.Epoch != epoch && u.Password == password
		return err
	})
	if err != nil || !ended {
		return u, err
	}
	if _, err := a.sessions.DeleteUser(ctx, id, session.ID{}); err != nil {
		return nil, err
	}
	return u, nil
}

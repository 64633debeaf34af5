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
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/token"
)

// near is the stores of a database with this process's memory before them.
type near struct {
	sessions session.Store
	accounts account.Store
	tokens   token.Store

	accountsCache *nearcache.Cache // nil: accounts are not remembered
	caches        []*nearcache.Cache
	feed          *postgres.Feed // nil: none of its own
}

func (n *near) close() error {
	if n == nil || n.feed == nil {
		return nil
	}
	return n.feed.Close()
}

// reach returns an error if nothing could be ended now, because the other nodes can't be told.
func (n *near) reach(ctx context.Context) error {
	for _, cache := range n.caches {
		if err := cache.Reach(ctx); err != nil {
			return err
		}
	}
	return nil
}

// strict reports whether nothing is to be remembered.
func (c *Config) strict() (bool, error) {
	switch c.Revocation {
	case "", "fenced":
		return false, nil
	case "strict":
		return true, nil
	}
	return false, fmt.Errorf("--revocation %q is neither fenced nor strict", c.Revocation)
}

// remembering returns the stores of the database with a memory before them, where something keeps a memory true: the feed of PostgreSQL or
// Redis, or the file's own word. With strict there is none, but where other nodes may remember, what ends is announced to
// them all the same.
func (c *Config) remembering(ctx context.Context, db database) (*near, error) {
	m := c.Metrics
	n := &near{sessions: m.Sessions(db.Sessions()), accounts: m.Accounts(db.Accounts()), tokens: m.Tokens(db.Tokens())}
	main, sessions := db, (*redis.DB)(nil)
	if a, ok := db.(apart); ok {
		main, sessions = a.database, a.redis
	}
	truth, err := n.truth(ctx, c, main)
	if err != nil {
		return nil, err
	}
	if truth != nil {
		cache := n.add(c, *truth)
		n.accountsCache = cache
		n.accounts, n.tokens = cache.Accounts(n.accounts), cache.Tokens(n.tokens)
		if sessions == nil || truth.Feed != nil { // one feed serves both stores
			n.sessions = cache.Sessions(n.sessions)
			if _, theirs := db.(shared); theirs {
				n.accounts = endsSessions{n.accounts, n.sessions}
			}
			return n, nil
		}
	}
	if sessions != nil {
		n.sessions = n.add(c, nearcache.Config{Feed: c.Metrics.Feed(sessions.Feed())}).Sessions(n.sessions)
	}
	return n, nil
}

// truth returns what keeps a memory of the database true; nil: nothing does.
func (n *near) truth(ctx context.Context, c *Config, main database) (*nearcache.Config, error) {
	strict, err := c.strict()
	if err != nil {
		return nil, err
	}
	if _, file := main.(*sqlite.DB); c.Feed != "" && file {
		return nil, errors.New("--feed: it goes with --db postgres://… alone")
	}
	switch main := main.(type) {
	case *postgres.DB:
		return n.postgresTruth(ctx, c, or(c.Feed, c.DB), c.DB, "")
	case shared:
		return n.djangosTruth(ctx, c, main)
	case *sqlite.DB:
		if strict {
			return nil, nil
		}
		commits, err := main.Commits(ctx)
		if err != nil {
			c.Log.LogAttrs(ctx, slog.LevelInfo, "every check asks the database", slog.Any("reason", err))
			return nil, nil
		}
		return &nearcache.Config{Commits: commits}, nil
	}
	return nil, nil
}

// djangosTruth is the feed that Django's own triggers tell, where they are installed.
func (n *near) djangosTruth(ctx context.Context, c *Config, db shared) (*nearcache.Config, error) {
	if c.Feed != "" && db.feed == "" {
		return nil, errors.New("--feed: it goes with --db django+postgres://… alone")
	}
	told, err := db.django.HasFeed(ctx)
	if err != nil {
		return nil, err
	}
	if !told {
		reason := "Django's SQLite file doesn't tell what Django changes"
		if db.feed != "" {
			reason = "there is no feed; see cloakroom django install-feed"
		}
		c.Log.LogAttrs(ctx, slog.LevelInfo, "every check asks the database", slog.String("reason", reason))
		return nil, nil
	}
	return n.postgresTruth(ctx, c, db.feed, strings.TrimPrefix(c.DB, djangoScheme), django.OurSchema)
}

// postgresTruth is the feed at an address. One that --feed names must be that of the database, whose tables of ours are
// in the schema.
func (n *near) postgresTruth(ctx context.Context, c *Config, feed, db, schema string) (_ *nearcache.Config, err error) {
	if n.feed, err = postgres.NewFeed(feed); err != nil {
		return nil, fmt.Errorf("--feed: %w", err)
	}
	if c.Feed != "" {
		if err := n.feed.Serves(ctx, db, schema); err != nil {
			return nil, errors.Join(fmt.Errorf("--feed: %w", err), n.feed.Close())
		}
	}
	return &nearcache.Config{Feed: c.Metrics.Feed(n.feed)}, nil
}

func (n *near) add(c *Config, truth nearcache.Config) *nearcache.Cache {
	truth.Strict, _ = c.strict()
	truth.MaxBytes, truth.Log = c.MemoryBytes, c.Log
	cache := nearcache.New(truth)
	n.caches = append(n.caches, cache)
	return cache
}

// run listens to what other nodes end. Without a feed nothing is remembered, so each check asks the database; that is slow,
// and never wrong.
func (n *near) run(ctx context.Context, cache *nearcache.Cache, log *slog.Logger) error {
	if err := cache.Run(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "no feed: every check asks the database, and each sign-out takes a second", slog.Any("error", err))
		<-ctx.Done()
	}
	return nil
}

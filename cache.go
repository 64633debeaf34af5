package cloakroom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/metrics"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/internal/peerlink"
	"github.com/cloakroom-auth/cloakroom/internal/pg"
	"github.com/cloakroom-auth/cloakroom/internal/removal"
	"github.com/cloakroom-auth/cloakroom/internal/resilience"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/store"
	"github.com/cloakroom-auth/cloakroom/token"
)

// cachedStores are the stores with a cache in front of them, where a cache can be kept valid.
type cachedStores struct {
	sessions session.Store
	accounts account.Store
	tokens   token.Store
	joined   joinedView // nil: sessions and accounts are in different databases

	accountsCache *nearcache.Cache   // nil: accounts aren't cached
	caches        []*nearcache.Cache // each needs its Run
	feed          *pg.Feed           // nil: there is none
	peers         *peerlink.Link     // nil: nodes talk over the feed alone
}

func (s *cachedStores) close() error {
	for _, cache := range s.caches {
		cache.Close()
	}
	var err error
	if s.feed != nil {
		err = s.feed.Close()
	}
	if s.peers != nil {
		err = errors.Join(err, s.peers.Close())
	}
	return err
}

// reach returns an error if revocations can't be published to the other nodes.
func (s *cachedStores) reach(ctx context.Context) error {
	for _, cache := range s.caches {
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

// cacheStores puts a cache in front of the stores if a feed, or the commit counter of the SQLite file, can keep one valid. If
// Config.Revocation is "strict", nothing is cached, but revocations are still published to other nodes, which may have caches.
// begun is what beginFeed has returned.
func (c *Config) cacheStores(ctx context.Context, st *storage, begun *pg.Feed, measured store.Set, measure *metrics.Metrics) (*cachedStores, error) {
	s := &cachedStores{sessions: measured.Sessions, accounts: measured.Accounts, tokens: measured.Tokens}
	s.joined = measure.JoinedView(joinViews(st.Sessions, st.Accounts))
	config, err := c.cacheOf(ctx, st, begun)
	if err != nil {
		return nil, err
	}
	if config != nil {
		s.feed, _ = config.Feed.(*pg.Feed)
	}
	if err := s.openPeers(c, s.feed != nil || st.redis != nil); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if config != nil {
		s.accountsCache = s.newCache(c, *config, measure)
		s.accounts, s.tokens = s.accountsCache.Accounts(s.accounts), s.accountsCache.Tokens(s.tokens)
		if st.redis == nil || config.Feed != nil { // one feed serves both databases
			s.sessions = s.accountsCache.Sessions(s.sessions)
			s.joined = s.accountsCache.JoinedView(s.joined)
			if st.django != nil {
				s.accounts = endsSessions{s.accounts, s.sessions, s.tokens}
			}
			return s, nil
		}
	}
	if st.django != nil {
		s.accounts = endsSessions{s.accounts, nil, s.tokens}
	}
	if st.redis != nil {
		s.sessions = s.newCache(c, nearcache.Config{Feed: st.redis.Feed()}, measure).Sessions(s.sessions)
	}
	return s, nil
}

// cacheOf returns what keeps a cache of the accounts valid; nil if nothing does.
func (c *Config) cacheOf(ctx context.Context, st *storage, begun *pg.Feed) (*nearcache.Config, error) {
	strict, err := c.strict()
	if err != nil {
		return nil, err
	}
	switch {
	case st.django != nil:
		return c.djangoFeed(ctx, st)
	case c.Pool != nil:
		return c.poolFeed(ctx)
	case st.postgres != nil:
		return c.checkedFeed(ctx, begun, c.DB, "")
	case c.Feed != "":
		return nil, errors.New("Config.Feed: only a database Config.DB postgres://… has a feed")
	case st.sqlite == nil:
		return nil, nil
	case strict:
		if err := st.sqlite.RememberRows(ctx); err != nil {
			c.Log.LogAttrs(ctx, slog.LevelInfo, "each row is read from the file", slog.Any("reason", err))
		}
		return nil, nil
	}
	commits, err := st.sqlite.Commits(ctx)
	if err != nil {
		c.Log.LogAttrs(ctx, slog.LevelInfo, "every check asks the database", slog.Any("reason", err))
		return nil, nil
	}
	return &nearcache.Config{Commits: commits}, nil
}

// beginFeed returns the feed of a database Config.DB postgres://…, and begins to connect to it: meanwhile the database is opened. It returns
// nil if there is none.
func (c *Config) beginFeed(ctx context.Context) (*pg.Feed, error) {
	e, err := c.engine()
	if err != nil || c.Stores != nil {
		return nil, nil // openStorage says what is wrong
	}
	if _, ok := e.(postgresURL); !ok {
		return nil, nil
	}
	f, err := pg.NewFeed(cmp.Or(c.Feed, c.DB))
	if err != nil {
		return nil, fmt.Errorf("Config.Feed: %w", err)
	}
	f.Connect(ctx)
	return f, nil
}

// djangoFeed returns the feed that triggers on Django's tables publish to; nil if they aren't installed.
func (c *Config) djangoFeed(ctx context.Context, st *storage) (*nearcache.Config, error) {
	if c.Feed != "" && st.feed == "" {
		return nil, errors.New("Config.Feed: beside Django, only a database Config.DB django+postgres://… has a feed")
	}
	installed, err := st.django.HasFeed(ctx)
	if err != nil {
		return nil, err
	}
	if !installed {
		reason := "changes to Django's SQLite file can't be followed"
		if st.feed != "" {
			reason = "there is no feed; see cloakroom django install-feed"
		}
		c.Log.LogAttrs(ctx, slog.LevelInfo, "every check asks the database", slog.String("reason", reason))
		return nil, nil
	}
	return c.postgresFeed(ctx, st.feed, strings.TrimPrefix(c.DB, djangoScheme), django.OwnSchema)
}

// postgresFeed returns the feed of a PostgreSQL database, whose own address is feed. If Config.Feed names it, it must lead to
// the same database as db, with our tables in that schema.
func (c *Config) postgresFeed(ctx context.Context, feed, db, schema string) (*nearcache.Config, error) {
	f, err := pg.NewFeed(feed)
	if err != nil {
		return nil, fmt.Errorf("Config.Feed: %w", err)
	}
	return c.checkedFeed(ctx, f, db, schema)
}

// checkedFeed returns a feed, as postgresFeed does.
func (c *Config) checkedFeed(ctx context.Context, f *pg.Feed, db, schema string) (*nearcache.Config, error) {
	if c.Feed != "" {
		if err := f.CheckSameDatabase(ctx, db, schema); err != nil {
			return nil, errors.Join(fmt.Errorf("Config.Feed: %w", err), f.Close())
		}
	}
	return &nearcache.Config{Feed: f}, nil
}

// poolFeed returns the feed of the database that Config.Pool leads to.
func (c *Config) poolFeed(ctx context.Context) (*nearcache.Config, error) {
	schema := c.pool().SchemaName()
	if c.Feed == "" {
		f, err := pg.NewFeedBeside(c.Pool, schema)
		if err != nil {
			return nil, fmt.Errorf("Config.Pool: %w", err)
		}
		return &nearcache.Config{Feed: f}, nil
	}
	f, err := pg.NewFeedInSchema(c.Feed, schema)
	if err != nil {
		return nil, fmt.Errorf("Config.Feed: %w", err)
	}
	if err := f.CheckSameAs(ctx, c.Pool, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("Config.Feed: %w", err), f.Close())
	}
	return &nearcache.Config{Feed: f}, nil
}

// openPeers opens the address of Config.PeerListen.
func (s *cachedStores) openPeers(c *Config, feed bool) (err error) {
	switch {
	case c.PeerListen == "":
		return nil
	case !feed:
		return errors.New("Config.PeerListen: without a feed of PostgreSQL or Redis there are no other nodes")
	}
	if s.peers, err = peerlink.Open(c.PeerListen); err != nil {
		return fmt.Errorf("Config.PeerListen: %w", err)
	}
	return nil
}

func (s *cachedStores) newCache(c *Config, config nearcache.Config, measure *metrics.Metrics) *nearcache.Cache {
	if config.Feed != nil {
		config.Feed = measure.Feed(config.Feed)
		if s.peers != nil {
			config.Direct = s.peers
		}
	}
	config.Strict = c.Revocation == "strict"
	config.MaxBytes, config.Log = c.MemoryBytes, c.Log
	cache := nearcache.New(config)
	s.caches = append(s.caches, cache)
	return cache
}

// run keeps a cache valid until ctx ends. If that fails, nothing is cached: each check asks the database, which is slower.
func (s *cachedStores) run(ctx context.Context, cache *nearcache.Cache, log *slog.Logger) error {
	if err := cache.Run(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "no feed: every check asks the database, and each sign-out takes a second", slog.Any("error", err))
		<-ctx.Done()
	}
	return nil
}

// endsSessions is Django's accounts beside sessions and tokens. If a change moves the epoch but not the password, the store deletes the rows
// of the user's sessions, and of the tokens in Django's tables. Personal tokens are in a table of ours, with Django's epoch, which is that of the
// password: they would count again once a disabled user is enabled, so they are deleted here. The others are deleted through the caches as
// well, which otherwise learn of it from the feed, a little later.
type endsSessions struct {
	account.Store
	sessions session.Store // nil: they aren't cached
	tokens   token.Store
}

// LoadCached answers account.LoadCached.
func (a endsSessions) LoadCached(ctx context.Context, id string) (*account.User, error) {
	return account.LoadCached(ctx, a.Store, id)
}

func (a endsSessions) Change(ctx context.Context, id string, change func(*account.User) error) (*account.User, error) {
	ended := false
	u, err := a.Store.Change(ctx, id, func(u *account.User) error {
		before := *u
		err := change(u)
		ended = epochAlone(&before, u)
		return err
	})
	if err != nil || !ended {
		return u, err
	}
	if err := a.end(ctx, id); err != nil {
		return nil, err
	}
	return u, nil
}

func (a endsSessions) Transact(ctx context.Context, do func(account.Tx) error) error {
	var tx *endingTx
	err := a.Store.Transact(ctx, func(inner account.Tx) error {
		tx = &endingTx{Tx: inner}
		return do(tx)
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(tx.ended, endTogether) {
		if err := a.end(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

// endTogether is how many users' sessions are deleted in one step.
const endTogether = 200

// end deletes the sessions and tokens of users. After an error the call that has changed the users is repeated.
func (a endsSessions) end(ctx context.Context, ids ...string) error {
	if a.sessions != nil {
		if _, err := removal.Sessions(ctx, a.sessions, ids); err != nil {
			return err
		}
	}
	_, err := removal.Tokens(ctx, a.tokens, ids)
	return err
}

// endingTx notes the users whose epoch alone a transaction moves, and those who are disabled, also by a call from before that may not have
// deleted anything yet.
type endingTx struct {
	account.Tx
	ended []string
}

func (t *endingTx) Change(u *account.User) error {
	before, err := t.Load(u.ID)
	if err != nil {
		return err
	}
	if err := t.Tx.Change(u); err != nil {
		return err
	}
	if epochAlone(before, u) || !u.IsActive {
		t.ended = append(t.ended, u.ID)
	}
	return nil
}

func (t *endingTx) Disable(users []*account.User) error {
	if err := t.Tx.Disable(users); err != nil {
		return err
	}
	for _, u := range users {
		t.ended = append(t.ended, u.ID)
	}
	return nil
}

// epochAlone reports whether a change moves the epoch and keeps the password.
func epochAlone(before, after *account.User) bool {
	return before.Epoch != after.Epoch && before.Password == after.Password
}

// joinedView is what auth.Config.JoinedView is.
type joinedView = func(ctx context.Context, id session.ID, now int64) (*session.Record, *account.User, error)

// joinViews returns a joinedView for two stores in the same database; nil if they can't do that. Such a session.Store has a method
// JoinedView, which knows whether the account.Store is one of its own database, and returns nil if it isn't. ErrNotFound is
// that of sessions.
func joinViews(sessions session.Store, accounts account.Store) joinedView {
	s, ok := sessions.(interface {
		JoinedView(account.Store) func(context.Context, session.ID) (*session.Record, *account.User, error)
	})
	if !ok {
		return nil
	}
	read := s.JoinedView(accounts)
	if read == nil {
		return nil
	}
	return func(ctx context.Context, id session.ID, _ int64) (*session.Record, *account.User, error) {
		ctx, cancel := resilience.LimitCheck(ctx)
		defer cancel()
		return read(ctx, id)
	}
}

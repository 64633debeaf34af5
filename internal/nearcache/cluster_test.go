package nearcache_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// The constants of the protocol that operators may rely on.
const (
	lease   = time.Second
	longest = 1020 * time.Millisecond // the longest wait of a revocation for nodes that don't answer
	hold    = 3 * time.Second
)

// cluster is nodes on one database, and the feed between them.
type cluster struct {
	t     *testing.T
	db    *memory.DB
	net   *network
	nodes []*member
}

// member is one node of a cluster.
type member struct {
	t        *testing.T
	wire     *wire
	lane     *lane // nil: none
	cache    *nearcache.Cache
	gate     *gate
	sessions session.Store
	accounts account.Store
	tokens   token.Store
	together nearcache.JoinedView
	stop     func()
}

// inCluster runs a test with nodes that have been up for a while: once with a feed alone, and once with direct ways too.
func inCluster(t *testing.T, nodes int, story func(t *testing.T, c *cluster)) {
	for _, direct := range []bool{false, true} {
		inClusterWith(t, direct, nodes, story)
		if t.Failed() {
			t.Fatalf("with direct ways: %v", direct)
		}
	}
}

func inClusterWith(t *testing.T, direct bool, nodes int, story func(t *testing.T, c *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, db: memory.New(), net: &network{direct: direct}}
		for range nodes {
			c.join(nearcache.Config{})
		}
		time.Sleep(2 * hold)
		story(t, c)
	})
}

func (c *cluster) join(config nearcache.Config) *member {
	m := c.idle(config)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.cache.Run(ctx) }()
	m.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(m.stop)
	return m
}

// idle is a node that doesn't run, like the command line.
func (c *cluster) idle(config nearcache.Config) *member {
	m := &member{t: c.t, wire: c.net.join(), gate: &gate{}}
	config.Feed = m.wire
	if c.net.direct {
		m.lane = c.net.open()
		config.Direct = m.lane
	}
	m.cache = nearcache.New(config)
	c.t.Cleanup(m.cache.Close)
	m.sessions = m.cache.Sessions(gatedSessions{c.db.Sessions, m.gate})
	m.accounts = m.cache.Accounts(gatedAccounts{c.db.Accounts, m.gate})
	m.together = m.cache.JoinedView(func(ctx context.Context, id session.ID, _ int64) (*session.Record, *account.User, error) {
		r, err := c.db.Sessions.Load(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		u, err := through(m.gate, "Load", func() (*account.User, error) { return c.db.Accounts.Load(ctx, r.User) })
		return r, u, err
	})
	m.tokens = m.cache.Tokens(gatedTokens{c.db.Tokens, m.gate})
	c.nodes = append(c.nodes, m)
	return m
}

// signIn makes a session of a user, and has every node cache it.
func (c *cluster) signIn(user string, number byte) session.ID {
	c.t.Helper()
	r := record(user, number)
	if err := c.nodes[0].sessions.Create(c.t.Context(), r); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	for i, m := range c.nodes {
		for range 2 { // the first check reads the store, the second the cache
			if !m.valid(r.ID) {
				c.t.Fatalf("node %d does not know the new session", i)
			}
		}
		if loads := m.gate.loads(); m.valid(r.ID) && m.gate.loads() != loads {
			c.t.Fatalf("node %d does not remember the session", i)
		}
	}
	return r.ID
}

func record(user string, number byte) *session.Record {
	return &session.Record{
		ID: session.ID{number, 1, 2, 3}, PublicID: "public-" + strconv.Itoa(int(number)), User: user, Epoch: "1", Method: session.Intern("password"),
		Created: 1, Seen: 1, Idle: 1 << 40, Deadline: 1 << 40, Expires: 1 << 40, IP: "192.0.2.1", Agent: session.Intern("a browser"),
	}
}

func (m *member) view(id session.ID) (*session.Record, error) {
	return m.sessions.(session.CheckLoader).LoadCached(context.Background(), id, 100)
}

// valid checks a session.
func (m *member) valid(id session.ID) bool {
	m.t.Helper()
	_, err := m.view(id)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		m.t.Fatal(err)
	}
	return err == nil
}

// remembers reports whether a check is answered without asking the store.
func (m *member) remembers(id session.ID) bool {
	m.t.Helper()
	before := m.gate.loads()
	return m.valid(id) && m.gate.loads() == before
}

// end ends a session, and returns how long that took.
func (m *member) end(id session.ID) time.Duration {
	m.t.Helper()
	began := time.Now()
	if err := m.sessions.Delete(context.Background(), id); err != nil {
		m.t.Fatal(err)
	}
	return time.Since(began)
}

// gate counts a node's calls to its store, and holds them up as the test says: before the call or, with after, between the
// call and its return.
type gate struct {
	mu     sync.Mutex
	loaded int
	before map[string]chan struct{}
	after  map[string]chan struct{}
}

func (g *gate) loads() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.loaded
}

// stopBefore and stopAfter hold up the next calls of this name until open is called.
func (g *gate) stopBefore(call string) (open func()) { return g.stop(&g.before, call) }
func (g *gate) stopAfter(call string) (open func())  { return g.stop(&g.after, call) }

func (g *gate) stop(at *map[string]chan struct{}, call string) (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if *at == nil {
		*at = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	(*at)[call] = c
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(*at, call)
		close(c)
	})
}

func (g *gate) pass(at *map[string]chan struct{}, call string) {
	g.mu.Lock()
	c := (*at)[call]
	g.mu.Unlock()
	if c != nil {
		<-c
	}
}

func through[T any](g *gate, call string, do func() (T, error)) (T, error) {
	if call == "Load" {
		g.mu.Lock()
		g.loaded++
		g.mu.Unlock()
	}
	g.pass(&g.before, call)
	defer g.pass(&g.after, call)
	return do()
}

type gatedSessions struct {
	session.Store
	gate *gate
}

func (s gatedSessions) Load(ctx context.Context, id session.ID) (*session.Record, error) {
	return through(s.gate, "Load", func() (*session.Record, error) { return s.Store.Load(ctx, id) })
}

// Delete is done even after its caller has stopped waiting, as a server across a network may do it.
func (s gatedSessions) Delete(ctx context.Context, id session.ID) error {
	ctx = context.WithoutCancel(ctx)
	_, err := through(s.gate, "Delete", func() (int, error) { return 0, s.Store.Delete(ctx, id) })
	return err
}

type gatedAccounts struct {
	account.Store
	gate *gate
}

func (s gatedAccounts) Load(ctx context.Context, id string) (*account.User, error) {
	return through(s.gate, "Load", func() (*account.User, error) { return s.Store.Load(ctx, id) })
}

type gatedTokens struct {
	token.Store
	gate *gate
}

func (s gatedTokens) Load(ctx context.Context, id token.ID) (*token.Record, error) {
	return through(s.gate, "Load", func() (*token.Record, error) { return s.Store.Load(ctx, id) })
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/internal/pgserver"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/session"
)

// quickNodes is the number of nodes of a quick run, and quickSignOuts that of its sign-outs.
const quickNodes, quickSignOuts = 3, 40

// signOutEngines are the clusters of nodes that sign-outs are measured on: by the feed of each store alone, on PostgreSQL with --peer-listen too, and
// the limit of that. A quick run has the first two.
var signOutEngines = []string{"postgres", "redis", "postgres-direct", limitOfPostgres}

// limitOfPostgres is the engine whose nodes are limitSignOut.
const limitOfPostgres = "postgres-limit"

// signOutSpec returns the configuration of the nodes of an engine.
func (b *bench) signOutSpec(ctx context.Context, engine string) (spec, error) {
	if engine == limitOfPostgres {
		return b.spec(ctx, limitSignOut)
	}
	store, way, _ := strings.Cut(engine, "-")
	s, err := b.spec(ctx, "me/"+store+"/fenced")
	if way == "direct" {
		s.PeerListen = "127.0.0.1:0"
	}
	return s, err
}

// delay is how long sign-outs took on a number of nodes.
type delay struct {
	engine string
	nodes  int
	took   []time.Duration
}

// signOutBlock is how many sign-outs of one cluster follow each other before it is the turn of the next, so that other load hits all alike.
const signOutBlock = 20

// signOuts measures sign-outs, one after the other, of sessions that every node has in its cache, on 1, 3 and 8 nodes; and
// the store's write alone.
func (b *bench) signOuts(ctx context.Context) error {
	counts, each := []int{1, 3, 8}, 300
	if b.plan.quick {
		counts, each = []int{quickNodes}, quickSignOuts
	}
	for _, n := range counts {
		clusters, err := b.early, b.earlyErr
		b.early, b.earlyErr = nil, nil
		if clusters == nil && err == nil {
			clusters, err = b.clusters(ctx, n, each)
		}
		if err == nil {
			err = b.signOutOf(ctx, clusters)
		}
		for _, c := range clusters {
			c.stop()
		}
		if err != nil {
			return fmt.Errorf("%d nodes: %w", n, err)
		}
	}
	return b.signOutsOnASlowDisk(ctx, each)
}

// signOutsOnASlowDisk measures sign-outs on three nodes whose PostgreSQL waits for 5 ms before it flushes a commit, since a usual disk takes about as
// long.
func (b *bench) signOutsOnASlowDisk(ctx context.Context, each int) error {
	if b.plan.quick || b.postgre == nil {
		return nil
	}
	slow, err := pgserver.New(ctx, "commit_delay=5000", "commit_siblings=0")
	if err != nil {
		return err
	}
	defer slow.Close()
	defer func(usual *pgserver.Server) { b.postgre = usual }(b.postgre)
	b.postgre = slow
	c, err := b.cluster(ctx, "postgres-direct", 3, each)
	if err != nil {
		return err
	}
	defer c.stop()
	if err := b.join(ctx, c); err != nil {
		return err
	}
	c.engine, c.ready = "postgres-slow-disk", time.Now().Add(settling)
	return b.signOutOf(ctx, []*cluster{c})
}

// cluster is nodes with one store.
type cluster struct {
	engine string
	spec   spec
	nodes  []*child
	ready  time.Time // when each node knows the others and may serve from its cache again
}

func (c *cluster) stop() {
	for _, n := range c.nodes {
		if n != nil {
			n.stop()
		}
	}
}

// settling is how long a node may take until it knows all others, and serves from its cache after its feed came up.
const settling = 4 * time.Second

// clusters starts n nodes on each engine that is installed.
func (b *bench) clusters(ctx context.Context, n, each int) (all []*cluster, err error) {
	engines := signOutEngines
	if b.plan.quick {
		engines = engines[:2]
	}
	for _, engine := range engines {
		c, err := b.cluster(ctx, engine, n, each)
		if err != nil {
			b.miss("sign-outs on "+engine, err)
			continue
		}
		all = append(all, c)
	}
	var group errgroup.Group
	for _, c := range all {
		group.Go(func() error { return b.join(ctx, c) })
	}
	err = group.Wait()
	for _, c := range all {
		c.ready = time.Now().Add(settling)
	}
	return all, err
}

// cluster returns nodes that aren't started yet.
func (b *bench) cluster(ctx context.Context, engine string, n, each int) (*cluster, error) {
	s, err := b.signOutSpec(ctx, engine)
	if err != nil {
		return nil, err
	}
	s.Wide, s.People, s.Dir = true, each, b.sub(fmt.Sprintf("%s-%d-nodes", engine, n))
	if engine == "redis" {
		s.DB = "sqlite:" + s.Dir + "/cloakroom.db"
	}
	return &cluster{engine: engine, spec: s, nodes: make([]*child, n)}, nil
}

// join starts the nodes of a cluster. The first creates the users.
func (b *bench) join(ctx context.Context, c *cluster) (err error) {
	if c.nodes[0], err = b.start(ctx, c.spec); err != nil {
		return err
	}
	s := c.spec
	s.People = 0
	var group errgroup.Group
	for i := range c.nodes[1:] {
		group.Go(func() (err error) {
			c.nodes[i+1], err = b.start(ctx, s)
			return err
		})
	}
	return group.Wait()
}

// signOutOf signs the users of clusters out, in turn, and notes how long that took, and how long the writes of their stores take alone.
func (b *bench) signOutOf(ctx context.Context, clusters []*cluster) error {
	if len(clusters) == 0 { // no engine is installed
		return nil
	}
	took, writes := map[*cluster][]time.Duration{}, map[string][]time.Duration{}
	for _, c := range clusters {
		time.Sleep(time.Until(c.ready))
	}
	for from := 0; from < clusters[0].spec.People; from += signOutBlock {
		for _, i := range rand.Perm(len(clusters)) {
			c := clusters[i]
			credentials := c.nodes[0].served.Credentials[from:min(from+signOutBlock, c.spec.People)]
			if c.engine == c.store() {
				alone, err := b.writes(ctx, c.engine, c.spec, from, len(credentials))
				if err != nil {
					return err
				}
				writes[c.engine] = append(writes[c.engine], alone...)
			}
			part, err := signOutInTurn(c.nodes, credentials)
			if err != nil {
				return fmt.Errorf("%s: %w", c.engine, err)
			}
			took[c] = append(took[c], part...)
		}
	}
	for _, c := range clusters {
		base := quantile(writes[c.store()], .5)
		if row := "sign-out/" + c.engine + "/write/p50"; c.engine == c.store() && !slices.ContainsFunc(b.results, func(r result) bool { return r.Name == row }) {
			b.add(row, milliseconds(base), "ms", "", 0)
		}
		if engines[c.engine] != "" {
			b.delays = append(b.delays, delay{c.engine, len(c.nodes), took[c]})
		}
		for _, part := range []struct {
			name string
			q    float64
		}{{"p50", .5}, {"p99", .99}, {"max", 1}} {
			d := quantile(took[c], part.q)
			b.add(fmt.Sprintf("sign-out/%s/%d-nodes/%s", c.engine, len(c.nodes), part.name), milliseconds(d), "ms", "write", float64(d)/float64(base))
		}
	}
	return nil
}

// store returns the engine whose write the sign-outs are compared with.
func (c *cluster) store() string {
	if c.engine == "postgres-direct" || c.engine == limitOfPostgres {
		return "postgres"
	}
	return c.engine
}

// signOutInTurn signs the sessions out, each on the next node, after every node has checked every session.
func signOutInTurn(nodes []*child, credentials []string) (took []time.Duration, err error) {
	var conns []*conn
	for _, c := range nodes {
		conns = append(conns, c.connect(1)...)
	}
	defer closeAll(conns)
	for range 2 {
		for _, c := range conns {
			for _, credential := range credentials {
				status, err := c.ask(request("GET", "/api/me", c.addr, credential, ""))
				if err != nil || status != http.StatusOK {
					return nil, fmt.Errorf("a check is answered %d, %w", status, err)
				}
			}
		}
	}
	for i, credential := range credentials {
		c := conns[i%len(conns)]
		began := time.Now()
		status, err := c.ask(request("POST", "/api/auth/logout", c.addr, credential, ""))
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("a sign-out is answered %d, %w", status, err)
		}
		took = append(took, time.Since(began))
		other := conns[(i+1)%len(conns)]
		if status, err := other.ask(request("GET", "/api/me", other.addr, credential, "")); err != nil || status != http.StatusUnauthorized {
			return nil, fmt.Errorf("a check after a sign-out is answered %d, %w", status, err)
		}
	}
	return took, nil
}

// writes measures the store's own deletion of a session, without a message to other nodes, n times, for sessions that are numbered from first on.
func (b *bench) writes(ctx context.Context, engine string, s spec, first, n int) (took []time.Duration, err error) {
	store, done, err := openSessions(ctx, engine, s)
	if err != nil {
		return nil, err
	}
	defer done()
	for i := first; i < first+n; i++ {
		r := &session.Record{ID: session.ID{1, byte(i), byte(i >> 8)}, PublicID: fmt.Sprint("write", i), User: "1", Expires: 1 << 40, Deadline: 1 << 40}
		if err := store.Create(ctx, r); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := store.Delete(ctx, r.ID); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func openSessions(ctx context.Context, engine string, s spec) (session.Store, func() error, error) {
	if engine == "redis" {
		db, err := redis.Open(ctx, s.Sessions)
		if err != nil {
			return nil, nil, err
		}
		return db.Sessions, db.Close, nil
	}
	db, err := postgres.Open(ctx, s.DB)
	if err != nil {
		return nil, nil, err
	}
	return db.Sessions, db.Close, nil
}

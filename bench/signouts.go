package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/redis"
	"github.com/cloakroom-auth/cloakroom/session"
)

// quickNodes is the number of nodes of a quick run, and quickSignOuts that of its sign-outs.
const quickNodes, quickSignOuts = 3, 40

// delay is how long sign-outs took on a number of nodes.
type delay struct {
	engine string
	nodes  int
	took   []time.Duration
}

// signOuts measures sign-outs, one after the other, of sessions that every node has in its cache, on 1, 3 and 8 nodes; and
// the store's write alone.
func (b *bench) signOuts(ctx context.Context) error {
	counts, each := []int{1, 3, 8}, 300
	if b.plan.quick {
		counts, each = []int{quickNodes}, quickSignOuts
	}
	base := map[string]time.Duration{}
	for _, n := range counts {
		clusters, err := b.early, b.earlyErr
		b.early, b.earlyErr = nil, nil
		if clusters == nil && err == nil {
			clusters, err = b.clusters(ctx, n, each)
		}
		for _, c := range clusters {
			if err == nil {
				err = b.signOutOf(ctx, c, base)
			}
		}
		for _, c := range clusters {
			c.stop()
		}
		if err != nil {
			return fmt.Errorf("%d nodes: %w", n, err)
		}
	}
	return nil
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
	for _, engine := range []string{"postgres", "redis"} {
		s, err := b.spec(ctx, "me/"+engine+"/fenced")
		if err != nil {
			b.miss("sign-outs on "+engine, err)
			continue
		}
		s.Wide, s.People, s.Dir = true, each, b.sub(fmt.Sprintf("%s-%d-nodes", engine, n))
		if engine == "redis" {
			s.DB = "sqlite:" + s.Dir + "/cloakroom.db"
		}
		all = append(all, &cluster{engine: engine, spec: s, nodes: make([]*child, n)})
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

// signOutOf signs the users of a cluster out, and notes how long that took. base has how long the store's write takes alone.
func (b *bench) signOutOf(ctx context.Context, c *cluster, base map[string]time.Duration) error {
	time.Sleep(time.Until(c.ready))
	credentials := c.nodes[0].served.Credentials
	if base[c.engine] == 0 {
		took, err := b.writes(ctx, c.engine, c.spec, len(credentials))
		if err != nil {
			return err
		}
		base[c.engine] = quantile(took, .5)
		b.add("sign-out/"+c.engine+"/write/p50", milliseconds(base[c.engine]), "ms", "", 0)
	}
	took, err := signOutInTurn(c.nodes, credentials)
	if err != nil {
		return fmt.Errorf("%s: %w", c.engine, err)
	}
	b.delays = append(b.delays, delay{c.engine, len(c.nodes), took})
	for _, part := range []struct {
		name string
		q    float64
	}{{"p50", .5}, {"p99", .99}, {"max", 1}} {
		d := quantile(took, part.q)
		b.add(fmt.Sprintf("sign-out/%s/%d-nodes/%s", c.engine, len(c.nodes), part.name), milliseconds(d), "ms", "write", float64(d)/float64(base[c.engine]))
	}
	return nil
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

// writes measures the store's own deletion of a session, without a message to other nodes.
func (b *bench) writes(ctx context.Context, engine string, s spec, n int) (took []time.Duration, err error) {
	store, done, err := openSessions(ctx, engine, s)
	if err != nil {
		return nil, err
	}
	defer done()
	for i := range n {
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

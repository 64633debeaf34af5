package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// signIns compares sign-ins with what the password hash alone allows.
func (b *bench) signIns(ctx context.Context) error {
	hash, in, err := b.begun(ctx, "hash", "me/memory/strict")
	if err != nil {
		return err
	}
	defer hash.stop()
	defer in.stop()
	raw, whole := [][]byte{request("GET", "/", hash.served.Addr, "", "")}, signInRequests(in)
	both := &bench{samples: map[string][]sample{}}
	for range b.plan.hashes {
		of, err := hash.many(ctx, raw, time.Second/2)
		if err != nil {
			return err
		}
		with, err := in.many(ctx, whole, time.Second/2)
		if err != nil {
			return err
		}
		both.samples["raw"], both.samples["in"] = append(both.samples["raw"], of), append(both.samples["in"], with)
	}
	b.add("sign-in/memory", both.median("in", rate), "sign-ins/s", "raw-hash", both.ratio("in", "raw", rate))
	if both.median("raw", cpu) > 0 {
		b.add("cpu/sign-in/memory", both.median("in", cpu), "µs/sign-in", "raw-hash", both.ratio("in", "raw", cpu))
	}
	return nil
}

// begun starts two servers that have all processors.
func (b *bench) begun(ctx context.Context, first, second string) (x, y *child, err error) {
	if x, err = b.beginWide(ctx, first); err != nil {
		return nil, nil, err
	}
	if y, err = b.beginWide(ctx, second); err != nil {
		x.stop()
	}
	return x, y, err
}

// beginWide starts a contender that has all processors.
func (b *bench) beginWide(ctx context.Context, name string) (*child, error) {
	s, err := b.spec(ctx, name)
	if err != nil {
		return nil, err
	}
	b.wide++
	s.Wide, s.Dir = true, b.sub(fmt.Sprintf("wide%d", b.wide))
	return b.start(ctx, s)
}

// signInRequests returns a sign-in of each of a contender's people.
func signInRequests(c *child) (requests [][]byte) {
	for n := range people {
		body := fmt.Sprintf(`{"username":"me-memory-strict-%d","password":%q}`, n, goodPassword)
		requests = append(requests, request("POST", "/api/auth/login", c.served.Addr, "", body))
	}
	return requests
}

// many asks for so long over two connections.
func (c *child) many(ctx context.Context, requests [][]byte, d time.Duration) (sample, error) {
	conns := c.connect(2)
	defer closeAll(conns)
	used, began := cpuTime(c.pids), time.Now()
	n, _, err := drive(ctx, conns, requests, d, 200, false)
	s := sample{rate: float64(n) / time.Since(began).Seconds()}
	if used >= 0 && n > 0 {
		s.cpu = float64(cpuTime(c.pids)-used) / float64(n) / 1e3
	}
	return s, err
}

func (c *child) connect(n int) (conns []*conn) {
	for range n {
		conns = append(conns, &conn{addr: c.served.Addr})
	}
	return conns
}

func closeAll(conns []*conn) {
	for _, c := range conns {
		c.close()
	}
}

// flood measures /api/me while 200 clients hammer sign-in, and while they don't.
func (b *bench) flood(ctx context.Context) error {
	c, err := b.beginWide(ctx, "me/memory/strict")
	if err != nil {
		return err
	}
	defer c.stop()
	me := [][]byte{request("GET", "/api/me", c.served.Addr, c.served.Credentials[0], "")}
	visitor := c.connect(1)
	defer closeAll(visitor)
	_, idle, err := drive(ctx, visitor, me, b.plan.flood, 200, false)
	if err != nil {
		return err
	}
	stop := make(chan error, 1)
	go func() {
		clients := c.connect(200)
		defer closeAll(clients)
		_, _, err := drive(ctx, clients, signInRequests(c), b.plan.flood+time.Second, 200, true)
		stop <- err
	}()
	time.Sleep(500 * time.Millisecond)
	_, flooded, err := drive(ctx, visitor, me, b.plan.flood, 200, false)
	if err := errors.Join(err, <-stop); err != nil {
		return err
	}
	quiet, loud := quantile(idle, 0.99), quantile(flooded, 0.99)
	b.add("p99/idle", milliseconds(quiet), "ms", "", 0)
	b.add("p99/flooded", milliseconds(loud), "ms", "idle", float64(loud)/float64(quiet))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

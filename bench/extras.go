package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// signIns compares the rate of sign-ins with that of the password hash alone.
func (b *bench) signIns(ctx context.Context) error {
	hash, in, err := b.begun(ctx, "hash", "me/memory/strict")
	if err != nil {
		return err
	}
	defer hash.stop()
	defer in.stop()
	raw, whole := [][]byte{request("GET", "/", hash.served.Addr, "", "")}, signInRequests(in)
	both := &bench{samples: map[string][]sample{}}
	for n := 0; b.more(n, b.plan.hashes); n++ {
		of, err := hash.many(ctx, 2, raw, time.Second/2)
		if err != nil {
			return err
		}
		with, err := in.many(ctx, 2, whole, time.Second/2)
		if err != nil {
			return err
		}
		both.samples["raw"], both.samples["in"] = append(both.samples["raw"], of), append(both.samples["in"], with)
	}
	b.add("sign-in/memory", both.median("in", rate), "sign-ins/s", "raw-hash", both.ratio("in", "raw", rate))
	if both.median("raw", cpu) > 0 {
		b.add("sign-in-cpu/memory", both.median("in", cpu), "µs/sign-in", "raw-hash", both.ratio("in", "raw", cpu))
	}
	return nil
}

// begun starts two servers that may use all processors.
func (b *bench) begun(ctx context.Context, first, second string) (x, y *child, err error) {
	if x, err = b.beginWide(ctx, first); err != nil {
		return nil, nil, err
	}
	if y, err = b.beginWide(ctx, second); err != nil {
		x.stop()
	}
	return x, y, err
}

// beginWide starts a contender that may use all processors.
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

// many sends requests for d over n connections.
func (c *child) many(ctx context.Context, n int, requests [][]byte, d time.Duration) (sample, error) {
	conns := c.connect(n)
	defer closeAll(conns)
	used, began := cpuTime(c.pids), time.Now()
	done, _, err := drive(ctx, conns, requests, d, 200, false)
	s := sample{rate: float64(done) / time.Since(began).Seconds()}
	if used >= 0 && done > 0 {
		s.cpu = float64(cpuTime(c.pids)-used) / float64(done) / 1e3
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

const (
	crowd = 200
	// pause is the time between two attempts of a client of the crowd, which ignores Retry-After.
	pause = 100 * time.Millisecond
)

// hammering is the input of the process in which a crowd signs in.
type hammering struct {
	Addr     string
	Requests [][]byte
	For      time.Duration
}

// hammer starts a process in which a crowd signs in, so that the measuring client has its own.
func hammer(ctx context.Context, c *child, d time.Duration) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(hammering{c.served.Addr, signInRequests(c), d})
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, "hammer")
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	return command, command.Start()
}

// hammerOn is that process.
func hammerOn(in io.Reader) error {
	var h hammering
	if err := json.NewDecoder(in).Decode(&h); err != nil {
		return err
	}
	var all sync.WaitGroup
	end := time.Now().Add(h.For)
	for i := range crowd {
		all.Go(func() {
			c := &conn{addr: h.Addr}
			defer c.close()
			for n := i; time.Now().Before(end); n++ {
				_, _ = c.ask(h.Requests[n%len(h.Requests)]) // any answer will do
				time.Sleep(pause)
			}
		})
	}
	all.Wait()
	return nil
}

// flood measures the latency of /api/me without other requests, and then during a flood of sign-ins.
func (b *bench) flood(ctx context.Context) error {
	c, err := b.beginWide(ctx, "me/memory/strict")
	if err != nil {
		return err
	}
	defer c.stop()
	me := [][]byte{request("GET", "/api/me", c.served.Addr, c.served.Credentials[0], "")}
	visitor := c.connect(1)
	defer closeAll(visitor)
	d := b.within(b.plan.flood, b.plan.flood/3)
	_, idle, err := drive(ctx, visitor, me, d, 200, false)
	if err != nil {
		return err
	}
	crowd, err := hammer(ctx, c, d+time.Second)
	if err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	_, flooded, err := drive(ctx, visitor, me, d, 200, false)
	if err := errors.Join(err, crowd.Wait()); err != nil {
		return err
	}
	quiet, loud := quantile(idle, 0.99), quantile(flooded, 0.99)
	b.add("p99/idle", milliseconds(quiet), "ms", "", 0)
	b.add("p99/flooded", milliseconds(loud), "ms", "idle", float64(loud)/float64(quiet))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

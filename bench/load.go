package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// conn is a client's connection. It writes prepared requests, and parses of an answer only the status and the length: a full
// HTTP client would use more time than most of these servers.
type conn struct {
	addr string
	c    net.Conn
	r    *bufio.Reader
}

func (c *conn) close() {
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}

// ask sends a request, reads the whole answer and returns its status.
func (c *conn) ask(request []byte) (status int, err error) {
	if c.c == nil {
		if c.c, err = net.Dial("tcp", c.addr); err != nil {
			return 0, err
		}
		c.r = bufio.NewReaderSize(c.c, 8<<10)
	}
	if _, err = c.c.Write(request); err == nil {
		status, err = c.answer()
	}
	if err != nil {
		c.close()
	}
	return status, err
}

func (c *conn) answer() (status int, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, closes := -1, false
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("the length of an answer: %w", err)
			}
		case len(name) == 10 && bytes.EqualFold(name, []byte("Connection")):
			closes = bytes.Contains(value, []byte("close"))
		}
	}
	if length < 0 {
		return 0, errors.New("an answer without a length")
	}
	_, err = c.r.Discard(length)
	if closes && err == nil {
		c.close()
	}
	return status, err
}

// request returns the bytes of a request.
func request(method, path, addr, credential, body string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json\r\n", method, path, addr)
	if credential != "" {
		b.WriteString(credential + "\r\n")
	}
	if method != "GET" {
		fmt.Fprintf(&b, "Origin: http://%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", addr, len(body))
	}
	b.WriteString("\r\n" + body)
	return []byte(b.String())
}

func split(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ": ")
	return name, value
}

// sample is the result of one contender in one round.
type sample struct {
	rate float64 // requests per second
	cpu  float64 // microseconds of the server's processor time per request; 0: not known
}

// burst requests /api/me over all connections for d.
func (c *child) burst(ctx context.Context, d time.Duration) (sample, error) {
	return c.burstOf(ctx, "/api/me", d)
}

// burstOf is burst for another path.
func (c *child) burstOf(ctx context.Context, path string, d time.Duration) (sample, error) {
	var requests [][]byte
	for _, credential := range c.served.Credentials {
		requests = append(requests, request("GET", path, c.served.Addr, credential, ""))
	}
	for len(c.conns) < connections {
		c.conns = append(c.conns, &conn{addr: c.served.Addr})
	}
	used, began := cpuTime(c.pids), time.Now()
	done, _, err := drive(ctx, c.conns, requests, d, 200, false)
	s := sample{rate: float64(done) / time.Since(began).Seconds()}
	if used >= 0 && done > 0 {
		s.cpu = float64(cpuTime(c.pids)-used) / float64(done) / 1e3
	}
	return s, err
}

// drive sends requests one after the other over each connection for d, and counts the answers with this status. Any other
// status is an error, unless others is set. took has how long each of the counted answers took.
func drive(ctx context.Context, conns []*conn, requests [][]byte, d time.Duration, status int, others bool) (done int, took []time.Duration, err error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	end := time.Now().Add(d)
	for i, c := range conns {
		all.Go(func() {
			n, mine, failed := 0, make([]time.Duration, 0, 1024), error(nil)
			for k := i * 7; failed == nil && ctx.Err() == nil; k++ {
				began := time.Now()
				if began.After(end) {
					break
				}
				var got int
				got, failed = c.ask(requests[k%len(requests)])
				switch {
				case failed == nil && got == status:
					n++
					mine = append(mine, time.Since(began))
				case failed == nil && !others:
					failed = fmt.Errorf("answered %d, want %d", got, status)
				case failed == io.EOF:
					failed = nil // a server may close an idle connection
				}
			}
			mu.Lock()
			defer mu.Unlock()
			done, took = done+n, append(took, mine...)
			if err == nil {
				err = failed
			}
		})
	}
	all.Wait()
	return done, took, err
}

// quantile returns the q-quantile; 0 of nothing.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

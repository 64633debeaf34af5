package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// spec says what a server is to be. It is a child's standard input; the child ends when that ends.
type spec struct {
	Name     string      // of the contender
	Dir      string      // for its files
	DB       string      // --db
	Sessions string      // --sessions
	People   int         // users with a session each
	Memory   int64       // bytes that the server may remember; 0: its default
	Header   http.Header // what everybody writes
	Body     []byte
	Upstream string // what it stands in front of; "": nothing
	Public   string // the address that browsers know; "": its own
	Wide     bool   // it has all processors, and not the first alone
	Profile  string // file for a profile of its time; "": none
}

// served is what a child says when it is ready, on one line.
type served struct {
	Addr        string
	Credentials []string // a header line for each user
}

// child is a server that is measured.
type child struct {
	name    string
	served  served
	command *exec.Cmd
	stdin   io.Closer
	pids    []int  // of all its processes
	asked   *child // whom it asks about each request, and who ends with it; nil: nobody
	conns   []*conn
}

const (
	people      = 64
	connections = 16
)

// spec returns what a contender needs.
func (b *bench) spec(ctx context.Context, name string) (spec, error) {
	s := spec{Name: name, Dir: b.sub(name), People: people}
	s.Header, s.Body = b.header, b.body
	return s, b.stores(ctx, &s)
}

// bytes takes what the first contender answers, for the others to write.
func (b *bench) bytes(first *child) error {
	r, err := http.NewRequest(http.MethodGet, "http://"+first.served.Addr+"/api/me", nil)
	if err != nil {
		return err
	}
	name, value := split(first.served.Credentials[0])
	r.Header.Set(name, value)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", first.name, answer.Status)
	}
	b.header = answer.Header
	b.body, err = io.ReadAll(answer.Body)
	return err
}

// start starts a child and waits until it is ready.
func (b *bench) start(ctx context.Context, s spec) (*child, error) {
	if s.Name == "django" {
		return b.startDjango(ctx, s)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: s.Name, command: exec.CommandContext(ctx, self, "serve")}
	if n := os.Getenv(pinned); n != "" {
		processors := "0"
		if s.Wide {
			processors = "0-" + n
		}
		c.command = exec.CommandContext(ctx, "taskset", "-c", processors, self, "serve")
	}
	c.command.Stderr = os.Stderr
	in, err := c.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	c.stdin, c.pids = in, []int{c.command.Process.Pid}
	if err := json.NewEncoder(in).Encode(s); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&c.served); err != nil {
		c.stop()
		return nil, fmt.Errorf("it doesn't start: %w", err)
	}
	return c, nil
}

func (c *child) stop() {
	for _, conn := range c.conns {
		conn.close()
	}
	c.stdin.Close()
	_ = c.command.Process.Kill()
	_ = c.command.Wait() // it was killed
	if c.asked != nil {
		c.asked.stop()
	}
}

// serve is the child: it becomes what its input says.
func serve(in io.Reader, out io.Writer) error {
	input := json.NewDecoder(in)
	var s spec
	if err := input.Decode(&s); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	handler, credentials, err := build(s, l.Addr().String())
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute}
	go server.Serve(l)
	if err := json.NewEncoder(out).Encode(served{l.Addr().String(), credentials}); err != nil {
		return err
	}
	if err := untilEnd(in, s.Profile); err != nil { // which is when the parent is gone
		return err
	}
	return server.Close()
}

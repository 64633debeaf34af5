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
	"runtime"
	"time"
)

// spec configures a server. A child reads it from its standard input, and ends when that input ends.
type spec struct {
	Name       string      // of the contender
	Dir        string      // for its files
	DB         string      // --db
	Sessions   string      // --sessions
	People     int         // users with a session each
	Memory     int64       // bytes that the server's cache may use; 0: its default
	Header     http.Header // that every contender writes, as Body
	Body       []byte
	PeerListen string // --peer-listen
	Upstream   string // the application behind it; "": none
	Public     string // the address that browsers use; "": its own
	Wide       bool   // whether it may use all processors instead of the first alone
	Profile    string // file for a profile of its processor time; "": none
}

// served is the line of JSON that a child writes when it is ready.
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
	asked   *child // the server that it asks about each request, and that ends with it; nil: none
	conns   []*conn
}

const (
	people      = 64
	connections = 16
)

// spec returns the configuration of a contender.
func (b *bench) spec(ctx context.Context, name string) (spec, error) {
	s := spec{Name: name, Dir: b.sub(name), People: people}
	s.Header, s.Body = b.header, b.body
	return s, b.stores(ctx, &s)
}

// bytes takes the header and the body that the first contender answers, which the others write too.
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
		return nil, fmt.Errorf("start %s: it ended before it was ready: %w", s.Name, err)
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

// garbageRoom is how much more garbage than by GOGC may be in the memory of a contender before it is collected, in bytes. It is that of
// the command, so that the ratios tell what a check costs, rather than whose heap is small.
const garbageRoom = 8 << 20

// serve is the child: it runs the server that its input describes.
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
	room := make([]byte, garbageRoom)
	defer runtime.KeepAlive(room)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute}
	go server.Serve(l)
	if err := json.NewEncoder(out).Encode(served{l.Addr().String(), credentials}); err != nil {
		return err
	}
	if err := untilEnd(in, s.Profile); err != nil { // the input ends with the parent
		return err
	}
	return server.Close()
}

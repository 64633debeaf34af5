// Package faultproxy is a TCP proxy for tests that delays, freezes and cuts connections.
package faultproxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy passes connections on to a server. At first it does no harm. It is safe for concurrent use.
type Proxy struct {
	Addr string // where clients connect: HOST:PORT

	target   string
	listener net.Listener

	mu      sync.Mutex
	change  *sync.Cond
	delay   time.Duration
	frozen  bool
	refuses bool
	closed  bool
	dials   int
	pairs   map[*pair]struct{}
	all     sync.WaitGroup
}

// pair is a client's connection and the one to the server that belongs to it.
type pair struct {
	client, server *net.TCPConn
	lost           bool
}

// New starts a proxy on a free port of 127.0.0.1 in front of the server at target. Close it when done.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, pairs: map[*pair]struct{}{}}
	p.change = sync.NewCond(&p.mu)
	p.all.Go(p.accept)
	return p, nil
}

// Delay delays data by d in both directions. Zero ends the delay, also of data on its way.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Freeze stops all data silently: connections can be made and stay open. Thaw passes on everything that was held up.
func (p *Proxy) Freeze() { p.set(func() { p.frozen = true }) }

// Thaw ends what Freeze began.
func (p *Proxy) Thaw() { p.set(func() { p.frozen = false }) }

// Refuse ends new connections as soon as they are made; Admit admits them again.
func (p *Proxy) Refuse() { p.set(func() { p.refuses = true }) }

// Admit ends what Refuse began.
func (p *Proxy) Admit() { p.set(func() { p.refuses = false }) }

// Lose drops all further data of the present connections silently, like a firewall that has forgotten them. New
// connections work.
func (p *Proxy) Lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pair := range p.pairs {
		pair.lost = true
	}
}

// Cut resets all present connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pair := range p.pairs {
		pair.reset()
	}
}

// Redirect connects new connections to another server.
func (p *Proxy) Redirect(target string) { p.set(func() { p.target = target }) }

// Dials returns how often clients have connected.
func (p *Proxy) Dials() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// Close resets all connections and ends the proxy.
func (p *Proxy) Close() error {
	p.set(func() { p.closed, p.refuses = true, true })
	err := p.listener.Close()
	p.Cut()
	p.all.Wait()
	return err
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.change.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.set(func() { p.dials++ })
		p.all.Go(func() { p.connect(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) connect(client *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		reset(client)
		return
	}
	both := &pair{client: client, server: server.(*net.TCPConn)}
	if !p.enlist(both) {
		return
	}
	var ways sync.WaitGroup
	ways.Go(func() { p.carry(both, both.server, both.client) })
	ways.Go(func() { p.carry(both, both.client, both.server) })
	ways.Wait()
	p.mu.Lock()
	delete(p.pairs, both)
	p.mu.Unlock()
}

func (p *Proxy) enlist(both *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses {
		both.reset()
		return false
	}
	p.pairs[both] = struct{}{}
	return true
}

// carry copies one direction until either end is lost, and then ends the other direction too.
func (p *Proxy) carry(both *pair, to, from *net.TCPConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.hold(both)
		if _, failed := to.Write(buffer[:n]); err == nil {
			err = failed
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				reset(from)
			}
			from.Close()
			to.Close()
			return
		}
	}
}

// hold waits until data that has arrived may pass: until the present delay is over and the connection is neither frozen nor
// lost.
func (p *Proxy) hold(both *pair) {
	came := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed {
		wait := p.delay - time.Since(came)
		if p.frozen || both.lost {
			p.change.Wait()
		} else if wait > 0 {
			timer := time.AfterFunc(wait, func() { p.set(func() {}) })
			p.change.Wait()
			timer.Stop()
		} else {
			return
		}
	}
}

func (both *pair) reset() {
	reset(both.client)
	reset(both.server)
}

// reset ends a connection with a RST instead of a FIN.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // it is closed anyway
	c.Close()
}

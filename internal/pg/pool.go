package pg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pool is a set of connections that package database/sql shares with reads that go past it: to borrow a connection from that package costs
// as much as a tenth of such a read. It is safe for concurrent use.
type Pool struct {
	// DB takes a connection for each statement or transaction, and keeps none. To close it closes the Pool.
	DB *sql.DB

	dialer *Dialer
	slots  chan struct{} // has an element for each connection that is in use or is being made

	mu      sync.Mutex
	idle    []*Conn     // the last one was used last
	cleaner *time.Timer // closes what is idle for too long; nil: none is idle
	closed  bool
}

// NewPool returns a pool of connections that the Dialer makes, or that it borrows from its lender. It opens no connection yet.
func NewPool(d *Dialer) *Pool {
	if d.lender != nil {
		return &Pool{DB: d.Pool(), dialer: d}
	}
	p := &Pool{dialer: d, slots: make(chan struct{}, d.address.conns)}
	p.DB = sql.OpenDB(connector{p})
	p.DB.SetMaxIdleConns(0) // each goes back to the pool after its use
	return p
}

// connector is the driver.Connector of [Pool.DB].
type connector struct{ pool *Pool }

func (c connector) Driver() driver.Driver { return c.pool.dialer.Driver() }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) { return c.pool.take(ctx) }

// Close implements io.Closer: to close a sql.DB closes its connector.
func (c connector) Close() error {
	c.pool.close()
	return nil
}

// ReadRow runs a query and calls scan with the first row of the answer, if the server hasn't turned read-only. scan must keep no
// memory of the row. It returns sql.ErrNoRows if there is none.
func (p *Pool) ReadRow(ctx context.Context, query string, scan func(row pgx.Rows) error, args ...any) error {
	c, err := p.lend(ctx)
	if err != nil {
		return err
	}
	defer c.Close() // gives it back
	return c.readRow(ctx, query, scan, args...)
}

func (p *Pool) lend(ctx context.Context) (*Conn, error) {
	if p.slots != nil {
		return p.take(ctx)
	}
	c, err := p.dialer.borrow(ctx)
	if err != nil {
		return nil, err
	}
	return c.(*Conn), nil
}

var errClosed = errors.New("the database is closed")

// take returns a connection, which its Close gives back. It waits while all are in use.
func (p *Pool) take(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := p.find(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	if c != nil {
		return c, nil
	}
	return p.connect(ctx)
}

// find returns an idle connection that is still good; nil if there is none.
func (p *Pool) find(ctx context.Context) (*Conn, error) {
	for broken := 0; ; broken++ {
		c, err := p.next()
		if c == nil || err != nil {
			return nil, err
		}
		if err := c.ResetSession(ctx); !errors.Is(err, driver.ErrBadConn) {
			return c, nil // the other errors change nothing
		}
		_ = c.Conn.Close() // it is broken already
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if broken > 0 { // those that were used longer ago are no better, and to find out may take a second for each
			p.closeIdle(time.Now())
		}
	}
}

// connect returns a new connection for a slot that was taken. It is called only if none is idle, so the idle ones and those of the slots
// are never more than the slots. A connection whose caller gives up meanwhile is for later callers: were it closed, none would ever be
// made for callers in a hurry.
func (p *Pool) connect(ctx context.Context) (*Conn, error) {
	made, failed := make(chan *Conn, 1), make(chan error, 1)
	go func() {
		c, err := p.dialer.Connect(context.WithoutCancel(ctx))
		if err != nil {
			failed <- err
			return
		}
		own := c.(*Conn)
		own.pool, own.made = p, time.Now()
		made <- own
	}()
	select {
	case c := <-made:
		return c, nil
	case err := <-failed:
		<-p.slots
		return nil, err
	case <-ctx.Done():
		go func() {
			select {
			case c := <-made:
				p.giveBack(c)
			case <-failed:
				<-p.slots
			}
		}()
		return nil, fmt.Errorf("connect to %s: %w", p.dialer.address, ctx.Err())
	}
}

// next takes the idle connection that was used last; nil if none is idle.
func (p *Pool) next() (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if p.closed || last < 0 {
		return nil, p.closedError()
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c, nil
}

func (p *Pool) closedError() error {
	if p.closed {
		return errClosed
	}
	return nil
}

// giveBack keeps a connection that was taken, or closes it.
func (p *Pool) giveBack(c *Conn) {
	c.since = time.Now()
	if !c.reusable() || !p.keep(c) {
		_ = c.Conn.Close() // an error changes nothing: it isn't used any more
	}
	<-p.slots
}

// reusable reports whether a connection can be used again: it is open, between two transactions, and young enough.
func (c *Conn) reusable() bool {
	return c.IsValid() && c.Conn.Conn().PgConn().TxStatus() == 'I' && !c.Conn.Conn().PgConn().IsBusy() && c.since.Sub(c.made) < lifetime
}

// keep reports whether a connection is now among the idle ones. There it isn't after the pool was closed.
func (p *Pool) keep(c *Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.idle = append(p.idle, c)
	if p.cleaner == nil {
		p.cleaner = time.AfterFunc(idleTime, p.clean)
	}
	return true
}

// clean closes the connections that are idle for too long.
func (p *Pool) clean() {
	p.closeIdle(time.Now().Add(-idleTime))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cleaner = nil; len(p.idle) > 0 {
		p.cleaner = time.AfterFunc(max(time.Second, time.Until(p.idle[0].since.Add(idleTime))), p.clean)
	}
}

// closeIdle closes the connections that are idle since a time or longer.
func (p *Pool) closeIdle(since time.Time) {
	p.mu.Lock()
	n := 0 // those that are idle for longest come first
	for n < len(p.idle) && !p.idle[n].since.After(since) {
		n++
	}
	old := append([]*Conn(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0:0], p.idle[n:]...)
	p.mu.Unlock()
	for _, c := range old {
		_ = c.Conn.Close() // an error changes nothing: it isn't used any more
	}
}

// close closes the idle connections now, and each of the others when it is given back.
func (p *Pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.cleaner != nil {
		p.cleaner.Stop()
	}
	p.mu.Unlock()
	p.closeIdle(time.Now())
}

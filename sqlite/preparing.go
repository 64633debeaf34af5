package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
)

// preparing makes connections that keep the statements that they have prepared. A statement is prepared when it is first run: a program
// that starts, or a command that does one thing, runs few of them.
type preparing struct{ driver.Connector }

func (c preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &preparedConn{sessionConn: conn.(sessionConn), prepare: conn.(driver.ConnPrepareContext), idle: map[string]fullStmt{}}, nil
}

// mostPrepared bounds the statements that a connection keeps, but for those in use. It is above the number of those that the stores have.
const mostPrepared = 512

// preparedConn is a connection without the driver's methods that prepare a statement for one use, so database/sql prepares and closes
// each.
type preparedConn struct {
	sessionConn
	prepare driver.ConnPrepareContext
	idle    map[string]fullStmt // those that aren't in use, by query
}

// sessionConn has the methods of the driver's connections that database/sql uses, but for those that take statements.
type sessionConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

func (c *preparedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if s := c.idle[query]; s != nil {
		delete(c.idle, query)
		return keptStmt{s, c, query}, nil
	}
	s, err := c.prepare.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return keptStmt{s.(fullStmt), c, query}, nil
}

func (c *preparedConn) Close() error {
	var all []error
	for _, s := range c.idle {
		all = append(all, s.Close())
	}
	c.idle = nil
	return errors.Join(append(all, c.sessionConn.Close())...)
}

// keptStmt is a statement in use.
type keptStmt struct {
	fullStmt
	conn  *preparedConn
	query string
}

// Close keeps the statement for its next use. If the connection has too many, one at random makes room: statements whose text depends on
// a number of values must not keep out the others for ever.
func (s keptStmt) Close() (err error) {
	idle := s.conn.idle
	if idle == nil || idle[s.query] != nil {
		return s.fullStmt.Close()
	}
	if len(idle) >= mostPrepared {
		for query, other := range idle {
			delete(idle, query)
			err = other.Close()
			break
		}
	}
	idle[s.query] = s.fullStmt
	return err
}

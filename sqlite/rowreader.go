package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/cloakroom-auth/cloakroom/internal/sqlstore"
)

// rowReader reads single rows, on connections of its own and without package database/sql. It is safe for concurrent use.
type rowReader struct {
	limit     readLimit
	connector connector
	memory    rowMemory

	mu     sync.Mutex
	idle   []*rowConn
	closed bool
}

// read implements sqlstore.Dialect.ReadRow. It waits for a connection until ctx ends; the read itself is over before ctx could end
// it. A connection whose read has failed is closed.
func (r *rowReader) read(ctx context.Context, query string, scan func(sqlstore.Columns) error, args ...any) error {
	if err := r.limit.verify(ctx); err != nil {
		return err
	}
	if known := r.memory.find(query, args); known != nil {
		return scan(known)
	}
	found, err := r.ask(ctx, query, args)
	if err != nil {
		return err
	}
	if found == nil {
		return sql.ErrNoRows
	}
	return scan(found)
}

// ask reads a row from the file, and remembers it.
func (r *rowReader) ask(ctx context.Context, query string, args []any) (*row, error) {
	release, err := r.limit.wait(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := r.take()
	if err != nil {
		return nil, err
	}
	before, known := r.memory.begin()
	found, err := c.Read(query, args...)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if known && found != nil {
		r.memory.keep(before, query, args, found)
	}
	return found, r.put(c)
}

// take returns an idle connection, or a new one.
func (r *rowReader) take() (*rowConn, error) {
	r.mu.Lock()
	last := len(r.idle) - 1
	if last >= 0 && !r.closed {
		c := r.idle[last]
		r.idle = r.idle[:last]
		r.mu.Unlock()
		return c, nil
	}
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return nil, errors.New("the database is closed")
	}
	return r.open()
}

// put keeps a connection for the next read.
func (r *rowReader) put(c *rowConn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return c.Close()
	}
	r.idle = append(r.idle, c)
	return nil
}

func (r *rowReader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.memory.close()
	var all []error
	for _, c := range r.idle {
		all = append(all, c.Close())
	}
	r.idle = nil
	return errors.Join(all...)
}

// open connects with the settings of its use, and reads them back.
func (r *rowReader) open() (*rowConn, error) {
	name, err := r.connector.name()
	if err != nil {
		return nil, err
	}
	c, err := openRowConn(name)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", r.connector.path, err)
	}
	for _, s := range r.connector.use.settings {
		value, err := c.Set(s.name, s.value)
		if err == nil && value != s.reads {
			err = fmt.Errorf("%s is %s, but must be %s", s.name, value, s.reads)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %s: %w", r.connector.path, err), c.Close())
		}
	}
	// The file may have been replaced since the limit checked it; then this is a connection to another one.
	if err := r.limit.file.verify(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

package sqlstore

import (
	"context"
	"database/sql/driver"
)

// OneTransaction returns a connector on whose connections transactions are savepoints. A library that begins and commits
// transactions by itself can so be run within a single transaction.
func OneTransaction(c driver.Connector) driver.Connector { return oneTransaction{c} }

type oneTransaction struct{ driver.Connector }

func (c oneTransaction) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return nesting{conn.(nestable)}, nil
}

// nestable has the methods of the drivers' connections that database/sql uses here. ResetSession is left out, because a
// connection in the middle of a transaction would refuse it.
type nestable interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
}

type nesting struct{ nestable }

func (n nesting) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if _, err := n.ExecContext(ctx, "SAVEPOINT nested", nil); err != nil {
		return nil, err
	}
	return savepoint(n), nil
}

type savepoint nesting

func (s savepoint) Commit() error {
	_, err := s.ExecContext(context.Background(), "RELEASE nested", nil)
	return err
}

func (s savepoint) Rollback() error {
	_, err := s.ExecContext(context.Background(), "ROLLBACK TO nested; RELEASE nested", nil)
	return err
}

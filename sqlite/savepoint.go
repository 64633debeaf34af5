package sqlite

import (
	"context"
	"database/sql/driver"
)

// oneTransaction makes connections whose transactions are savepoints, so that everything done on one of them, by a
// library that begins and commits as it likes, can be wrapped into a single transaction.
type oneTransaction struct{ connector }

func (c oneTransaction) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return nesting{conn.(fullConn)}, nil
}

// fullConn is all that the driver's connections can do and that database/sql would miss.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type nesting struct{ fullConn }

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

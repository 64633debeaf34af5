package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5/pgxpool"
)

// CheckSameDatabase returns an error unless the feed belongs to the database at url, which may lead through a pooler. Nodes would
// not receive each other's messages on the feed of another server, database or schema. schema is the one with the program's
// tables, or "" for the default of url.
func (f *Feed) CheckSameDatabase(ctx context.Context, url, schema string) error {
	d, err := Open(url)
	if err != nil {
		return err
	}
	return f.checkSame(ctx, d, schema)
}

// CheckSameAs is [Feed.CheckSameDatabase] for the database of a program's own pool.
func (f *Feed) CheckSameAs(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	d, err := Borrow(pool)
	if err != nil {
		return err
	}
	return f.checkSame(ctx, d, schema)
}

func (f *Feed) checkSame(ctx context.Context, d *Dialer, schema string) error {
	ctx, cancel := context.WithTimeout(ctx, f.dialer.Address().ConnectTimeout()+d.Address().ConnectTimeout())
	defer cancel()
	db := d.Pool()
	defer db.Close()
	// An advisory lock is visible to all connections to the same database, and to no other connection.
	tx, err := f.send.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	number, its, there, free := rand.Int64(), "", "", false
	err = tx.QueryRowContext(ctx, `SELECT `+f.schema+` FROM pg_advisory_xact_lock($1)`, number).Scan(&its)
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", f.dialer.Address(), d.Address(), err)
	}
	err = db.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1), `+currentSchema, number).Scan(&free, &there)
	if schema == "" {
		schema = there
	}
	switch {
	case err != nil:
		return fmt.Errorf("compare %s with %s: %w", f.dialer.Address(), d.Address(), err)
	case free:
		return errors.New("this is not the database of Config.DB or Config.Pool, so nodes would not receive each other's messages")
	case its != schema:
		return fmt.Errorf("this leads to the schema %q, and Config.DB to %q: nodes would not receive each other's messages", its, schema)
	}
	return nil
}

package pgfeed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cloakroom-auth/cloakroom/internal/pgdial"
)

// CheckSameDatabase returns an error unless the feed is that of the database at url, which may lead through a pooler. On the feed of
// another server, database or schema nobody would hear what is sent. Schema is the one that holds our tables; "": where
// url leads by itself.
func (f *Feed) CheckSameDatabase(ctx context.Context, url, schema string) error {
	d, err := pgdial.Open(url)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.dialer.Address().ConnectTimeout()+d.Address().ConnectTimeout())
	defer cancel()
	db := d.Pool()
	defer db.Close()
	// What locks the number here is seen by everybody in the same database, and by nobody else.
	tx, err := f.send.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	number, its, there, free := rand.Int64(), "", "", false
	err = tx.QueryRowContext(ctx, `SELECT coalesce(current_schema(), '') FROM pg_advisory_xact_lock($1)`, number).Scan(&its)
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", f.dialer.Address(), d.Address(), err)
	}
	err = db.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1), coalesce(current_schema(), '')`, number).Scan(&free, &there)
	if schema == "" {
		schema = there
	}
	switch {
	case err != nil:
		return fmt.Errorf("compare %s with %s: %w", f.dialer.Address(), d.Address(), err)
	case free:
		return errors.New("this is not the database of Config.DB, whose nodes would not hear what is sent there")
	case its != schema:
		return fmt.Errorf("this leads to the schema %q, and Config.DB to %q: nodes would not hear each other", its, schema)
	}
	return nil
}

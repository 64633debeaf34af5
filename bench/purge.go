package main

import (
	"context"
	"database/sql"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for the five million rows
)

const expired = 5_000_000

// purge starts a server on a PostgreSQL database with five million expired sessions, and measures how fast it deletes them and
// how long other requests take meanwhile. It does not wait until all are deleted.
func (b *bench) purge(ctx context.Context) error {
	s, err := b.spec(ctx, "me/postgres/fenced")
	if err != nil {
		return err
	}
	s.Wide, s.Dir = true, b.sub("purge")
	if err := b.expire(ctx, s); err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.DB)
	if err != nil {
		return err
	}
	defer db.Close()
	bare, err := b.bareDeletes(ctx, db)
	if err != nil {
		return err
	}
	var from, to int
	if err := db.QueryRowContext(ctx, count).Scan(&from); err != nil {
		return err
	}
	c, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer c.stop()
	for to = from; to == from; { // until purging has begun
		if err := db.QueryRowContext(ctx, count).Scan(&to); err != nil {
			return err
		}
	}
	began := time.Now()
	from = to
	conns := c.connect(1)
	defer closeAll(conns)
	me := [][]byte{request("GET", "/api/me", c.served.Addr, c.served.Credentials[0], "")}
	_, took, err := drive(ctx, conns, me, 20*time.Second, 200, false)
	if err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, count).Scan(&to); err != nil {
		return err
	}
	rate := float64(from-to) / time.Since(began).Seconds()
	b.add("purge/bare-deletes", bare, "rows/s", "", 0)
	b.add("purge/postgres", rate, "rows/s", "bare-deletes", rate/bare)
	b.add("p99/purging", milliseconds(quantile(took, .99)), "ms", "", 0)
	return nil
}

// bareDeletes returns how many rows a second one client deletes without a pause, with the best of several batch sizes.
func (b *bench) bareDeletes(ctx context.Context, db *sql.DB) (best float64, err error) {
	for _, size := range []int{500, 2000, 5000, 20_000} {
		rows, began := int64(0), time.Now()
		for time.Since(began) < 4*time.Second {
			result, err := db.ExecContext(ctx, `DELETE FROM sessions WHERE id = ANY (ARRAY(SELECT id FROM sessions WHERE expires <= 1000 ORDER BY expires LIMIT $1))`, size)
			if err != nil {
				return 0, err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return 0, err
			}
			rows += n
		}
		rate := float64(rows) / time.Since(began).Seconds()
		b.say("bare deletes of %d: %.0f rows/s", size, rate)
		best = max(best, rate)
	}
	_, err = db.ExecContext(ctx, `VACUUM sessions`) // else the server's queries would pass all of these dead rows in the index
	return best, err
}

const count = `SELECT count(*) FROM sessions WHERE expires <= 1000`

// expire creates the tables of a database and writes expired sessions.
func (b *bench) expire(ctx context.Context, s spec) error {
	s.People = 0
	first, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	first.stop()
	db, err := sql.Open("pgx", s.DB)
	if err != nil {
		return err
	}
	defer db.Close()
	b.say("writing %d expired sessions", expired)
	_, err = db.ExecContext(ctx, `INSERT INTO sessions (id, public_id, user_id, epoch, method, browser, created, fresh, seen, idle,
		deadline, expires, ip, agent, data, version)
		SELECT sha256(n::text::bytea), ('p' || n)::bytea, (n % 100000)::text::bytea, ''::bytea, ''::bytea, false, 1, 1, 1, 1, 1000, 1000,
		''::bytea, ''::bytea, ''::bytea, '' FROM generate_series(1, $1::int) n`, expired)
	return err
}

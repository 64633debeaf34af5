#!/usr/bin/env bash
# go-mail, a mail server that accepts a message and then ends the conversation.
#
# A guess: Send returns nil for a message whose DATA was answered with 250. From then on the message is the server's.
# Behaviour: after the 250, go-mail sends RSET, and returns an error if that fails: for a server that says 421 or closes the connection
# there, as busy ones do. The error's Reason is ErrSMTPReset, and the message says IsDelivered() true. A sender that tries again
# after any error sends the message twice; it has to ask IsDelivered() first.
#
# Seen with github.com/wneessen/go-mail v0.8.1 and Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/wneessen/go-mail v0.8.1
MOD
cat >main.go <<'GO'
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/wneessen/go-mail"
)

// serve is a mail server that accepts messages, and answers to RSET with a reply; it closes the connection if that is empty.
func serve(l net.Listener, reply string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(c, "220 ready\r\n")
		data := false
		for lines := bufio.NewScanner(c); lines.Scan(); {
			verb, _, _ := strings.Cut(lines.Text(), " ")
			switch {
			case data && lines.Text() == ".":
				data = false
				fmt.Fprint(c, "250 accepted\r\n")
			case data:
			case verb == "DATA":
				data = true
				fmt.Fprint(c, "354 go on\r\n")
			case verb == "QUIT":
				fmt.Fprint(c, "221 bye\r\n")
			case verb == "RSET" && reply == "":
				c.Close()
			case verb == "RSET":
				fmt.Fprint(c, reply+"\r\n")
			default:
				fmt.Fprint(c, "250 ok\r\n")
			}
		}
		c.Close()
	}
}

func main() {
	for _, reply := range []string{"250 ok", "421 too busy", ""} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		go serve(l, reply)
		client, err := mail.NewClient("127.0.0.1", mail.WithPort(l.Addr().(*net.TCPAddr).Port), mail.WithTLSPolicy(mail.NoTLS), mail.WithHELO("localhost"))
		if err != nil {
			panic(err)
		}
		m := mail.NewMsg()
		if err := errors.Join(m.From("a@example.com"), m.To("b@example.com")); err != nil {
			panic(err)
		}
		m.SetBodyString(mail.TypeTextPlain, "hello")
		err = client.DialAndSend(m)
		failed, _ := errors.AsType[*mail.SendError](err)
		fmt.Printf("RSET answered %q: error %v, reset %v, delivered %v\n", reply, err != nil, failed != nil && failed.Reason == mail.ErrSMTPReset, m.IsDelivered())
	}
}
GO
GOFLAGS=-mod=mod go mod tidy >/dev/null 2>&1
out=$(go run .)
echo "$out"
want='RSET answered "250 ok": error false, reset false, delivered true
RSET answered "421 too busy": error true, reset true, delivered true
RSET answered "": error true, reset true, delivered true'
[ "$out" = "$want" ]
echo "as stated"

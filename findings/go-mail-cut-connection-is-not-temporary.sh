#!/usr/bin/env bash
# go-mail, a mail server that goes away in the middle of a conversation.
#
# A guess: SendError.IsTemp says whether it is worth trying again, so it is true for a connection that was cut or timed out, and for
# a reply that begins with 4.
# Behaviour: it looks at the reply's code alone. For a connection that is cut after MAIL, IsTemp is false, as for a refusal for
# good, and ErrorCode is 0. A sender that drops what isn't temporary loses mail whenever its server restarts. A reply 451 is
# temporary with code 451, and a reply 550 isn't.
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

// serve is a mail server that answers to MAIL with a reply, or cuts the connection if that is empty.
func serve(l net.Listener, reply string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(c, "220 ready\r\n")
		for lines := bufio.NewScanner(c); lines.Scan(); {
			switch verb, _, _ := strings.Cut(lines.Text(), " "); {
			case verb != "MAIL":
				fmt.Fprint(c, "250 ok\r\n")
			case reply != "":
				fmt.Fprint(c, reply+"\r\n")
			default:
				c.Close()
			}
		}
		c.Close()
	}
}

func main() {
	for _, reply := range []string{"", "451 try again", "550 no"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		go serve(l, reply)
		port := l.Addr().(*net.TCPAddr).Port
		client, err := mail.NewClient("127.0.0.1", mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS), mail.WithHELO("localhost"))
		if err != nil {
			panic(err)
		}
		m := mail.NewMsg()
		if err := errors.Join(m.From("a@example.com"), m.To("b@example.com")); err != nil {
			panic(err)
		}
		m.SetBodyString(mail.TypeTextPlain, "hello")
		err = client.DialAndSend(m)
		failed, ok := errors.AsType[*mail.SendError](err)
		if !ok {
			fmt.Printf("%q: %v\n", reply, err)
			continue
		}
		fmt.Printf("%q: temporary %v, code %d\n", reply, failed.IsTemp(), failed.ErrorCode())
	}
}
GO
GOFLAGS=-mod=mod go mod tidy >/dev/null 2>&1
out=$(go run .)
echo "$out"
want='"": temporary false, code 0
"451 try again": temporary true, code 451
"550 no": temporary false, code 550'
[ "$out" = "$want" ]
echo "as stated"

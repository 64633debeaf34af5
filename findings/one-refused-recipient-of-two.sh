#!/usr/bin/env bash
# Mail libraries, a message to two people, and a server that refuses one of them (RCPT TO: 550), as when a colleague has left.
#
# A guess: the other one gets it, since SMTP answers for each recipient by himself (RFC 5321, section 3.3); and the call says who didn't, by an error or in
# what it returns.
# Behaviour: there are three kinds. nodemailer, Python's smtplib, aiosmtplib and Django send to the other one and return without an error (Django returns 1,
# and drops the names). Go's net/smtp, go-mail, gomail, go-simple-mail and jordan-wright/email, Ruby's Net::SMTP, Perl's Net::SMTP, Email::Sender and MIME::Lite send to no one, whichever
# comes first, so one address that has gone silences a whole team. PHPMailer sends to the other one and throws: a program that tries again after an
# error sends it again each time. One message for each recipient is alike in all of them.
#
# Seen with nodemailer 10.6.1 on Node 20; Python 3.11, aiosmtplib 2.0.0, Django 3.2.25, Ruby 3.1, PHPMailer 6.6.3, Email::Sender 2.600 and MIME::Lite 3.033
# from Debian 12, and its Perl 5.36; Go 1.26, go-mail 0.7.2, gomail 2.0.0, go-simple-mail 2.16.0 and jordan-wright/email 4.0.1.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund nodemailer@10.6.1
apt-get download -q -o APT::Sandbox::User= python3-aiosmtplib python3-django python3-tz python3-sqlparse python3-asgiref libphp-phpmailer libmime-lite-perl \
  libemail-sender-perl libemail-simple-perl libemail-date-format-perl libmoo-perl libmodule-runtime-perl libthrowable-perl libtype-tiny-perl libsub-quote-perl \
  libclass-method-modifiers-perl librole-tiny-perl libsub-exporter-perl libsub-exporter-progressive-perl libdata-optlist-perl libparams-util-perl \
  libsub-install-perl libemail-abstract-perl libemail-address-xs-perl libmro-compat-perl libmodule-pluggable-perl libdevel-globaldestruction-perl \
  libmoox-types-mooselike-perl libexporter-tiny-perl libtry-tiny-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)" PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
cat >server.py <<'PY'
import os, socketserver
class Session(socketserver.StreamRequestHandler):
    def handle(self):
        def say(text):
            self.wfile.write(text.encode() + b"\r\n")
            self.wfile.flush()
        say("220 mx.example.com ESMTP")
        recipients = []
        while line := self.rfile.readline():
            word = line.decode().strip().upper()
            if word.startswith("RCPT"):
                if "<GONE@" in word: say("550 5.1.1 no such user")
                else:
                    recipients.append(word.split("<")[1].split("@")[0].lower())
                    say("250 ok")
            elif word == "DATA" and recipients:
                say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""): pass
                with open("taken", "a") as taken: taken.write(" ".join(recipients))
                say("250 queued")
            elif word == "DATA": say("554 no recipients")
            elif word == "QUIT": return say("221 bye")
            else:
                if word.startswith(("MAIL", "RSET")): recipients = []
                say("250 ok")
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
with open("port.new", "w") as port: port.write(str(server.server_address[1]))
os.rename("port.new", "port")
server.serve_forever()
PY
cat >send.mjs <<'JS'
import nodemailer from "nodemailer";
const [, , port, ...to] = process.argv;
const mail = { from: "us@example.com", to, subject: "Hello", text: "Hello" };
await nodemailer.createTransport({ host: "127.0.0.1", port: Number(port), ignoreTLS: true }).sendMail(mail).then(() => console.log("no error"), () => console.log("an error"));
JS
cat >send.py <<'PY'
import asyncio, smtplib, sys
from email.message import EmailMessage
import aiosmtplib
from django.conf import settings
from django.core.mail import send_mail
way, port, *to = sys.argv[1:]
settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=int(port))
message = EmailMessage()
message["From"], message["To"], message["Subject"] = "us@example.com", ", ".join(to), "Hello"
message.set_content("Hello")
ways = {
    "smtplib": lambda: smtplib.SMTP("127.0.0.1", int(port)).send_message(message),
    "aiosmtplib": lambda: asyncio.run(aiosmtplib.send(message, hostname="127.0.0.1", port=int(port))),
    "django": lambda: send_mail("Hello", "Hello", "us@example.com", to),
}
try:
    ways[way]()
    print("no error")
except Exception:
    print("an error")
PY
cat >send.rb <<'RB'
require "net/smtp"
port, *to = ARGV
begin
  Net::SMTP.start("127.0.0.1", port.to_i) { |smtp| smtp.send_message("Subject: Hello\r\n\r\nHello\r\n", "us@example.com", *to) }
  puts "no error"
rescue Net::SMTPError
  puts "an error"
end
RB
cat >send.pl <<'PL'
use strict;
use Email::Sender::Simple "sendmail";
use Email::Sender::Transport::SMTP;
use Email::Simple;
use MIME::Lite;
use Net::SMTP;
my ($way, $port, @to) = @ARGV;
my $all = join ", ", @to;
my %ways = (
  "Net::SMTP" => sub {
    my $smtp = Net::SMTP->new("127.0.0.1", Port => $port);
    $smtp->mail('us@example.com');
    $smtp->to(@to) or die;
    $smtp->data("Subject: Hello\n\nHello\n") or die;
  },
  "Email::Sender" => sub {
    my $mail = Email::Simple->create(header => [From => 'us@example.com', To => $all, Subject => "Hello"], body => "Hello\n");
    sendmail($mail, { transport => Email::Sender::Transport::SMTP->new(host => "127.0.0.1", port => $port) });
  },
  "MIME::Lite" => sub {
    MIME::Lite->new(From => 'us@example.com', To => $all, Subject => "Hello", Data => "Hello\n")->send("smtp", "127.0.0.1", Port => $port) or die;
  },
);
print eval { $ways{$way}->(); 1 } ? "no error\n" : "an error\n";
PL
cat >send.php <<'PHP'
<?php
require "root/usr/share/php/libphp-phpmailer/autoload.php";
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = "127.0.0.1";
$mail->Port = (int) $argv[1];
$mail->setFrom("us@example.com");
foreach (array_slice($argv, 2) as $to) $mail->addAddress($to);
$mail->Subject = $mail->Body = "Hello";
try { $mail->send(); echo "no error\n"; } catch (PHPMailer\PHPMailer\Exception) { echo "an error\n"; }
PHP
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/jordan-wright/email v4.0.1-0.20210109023952-943e75fe5223+incompatible
	github.com/wneessen/go-mail v0.7.2
	github.com/xhit/go-simple-mail/v2 v2.16.0
	gopkg.in/gomail.v2 v2.0.0-20160411212932-81ebce5c23df
)
MOD
cat >main.go <<'GO'
package main

import (
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"strconv"

	"github.com/jordan-wright/email"
	gomail2 "github.com/wneessen/go-mail"
	simple "github.com/xhit/go-simple-mail/v2"
	"gopkg.in/gomail.v2"
)

func main() {
	way, at, to := os.Args[1], "127.0.0.1:"+os.Args[2], os.Args[3:]
	port, _ := strconv.Atoi(os.Args[2])
	from, text := "us@example.com", "Hello"
	var err error
	switch way {
	case "net/smtp":
		err = smtp.SendMail(at, nil, from, to, []byte("Subject: Hello\r\n\r\nHello\r\n"))
	case "go-mail":
		message := gomail2.NewMsg()
		err = errors.Join(message.From(from), message.To(to...))
		message.SetBodyString(gomail2.TypeTextPlain, text)
		client, _ := gomail2.NewClient("127.0.0.1", gomail2.WithPort(port), gomail2.WithTLSPolicy(gomail2.NoTLS))
		err = errors.Join(err, client.DialAndSend(message))
	case "gomail":
		message := gomail.NewMessage()
		message.SetHeader("From", from)
		message.SetHeader("To", to...)
		message.SetBody("text/plain", text)
		err = (&gomail.Dialer{Host: "127.0.0.1", Port: port}).DialAndSend(message)
	case "go-simple-mail":
		server := simple.NewSMTPClient()
		server.Host, server.Port, server.Encryption = "127.0.0.1", port, simple.EncryptionNone
		client, _ := server.Connect()
		err = simple.NewMSG().SetFrom(from).AddTo(to...).SetSubject(text).SetBody(simple.TextPlain, text).Send(client)
	case "jordan-wright/email":
		message := email.NewEmail()
		message.From, message.To, message.Text = from, to, []byte(text)
		err = message.Send(at, nil)
	}
	if err != nil {
		fmt.Println("an error")
		return
	}
	fmt.Println("no error")
}
GO
go mod tidy >/dev/null 2>&1
go build -o send .
/usr/bin/python3 server.py &
server=$!
for _ in $(seq 600); do [ -e port ] && break; sleep 0.1; done
port=$(cat port)
try() {
  name=$1
  shift
  : >taken
  said=$(timeout 120 "$@" "$port" "${to[@]}")
  [ -s taken ] || echo "no one" >taken
  echo "$name: $(cat taken), $said"
}
all() {
  try nodemailer node send.mjs
  for way in smtplib aiosmtplib django; do try $way /usr/bin/python3 -W ignore send.py $way; done
  try PHPMailer php send.php
  try "Ruby's Net::SMTP" ruby send.rb
  for way in Net::SMTP Email::Sender MIME::Lite; do try $way perl send.pl $way; done
  for way in net/smtp go-mail gomail go-simple-mail jordan-wright/email; do try $way ./send $way; done
}
to=(ada@example.com bob@example.com)
both=$(all)
[ "$(grep -c ': ada bob, no error$' <<<"$both")" = "$(wc -l <<<"$both")" ]
to=(gone@example.com ada@example.com)
out=$(all)
echo "$out"
to=(ada@example.com gone@example.com)
[ "$(all)" = "$out" ]
want="nodemailer: ada, no error
smtplib: ada, no error
aiosmtplib: ada, no error
django: ada, no error
PHPMailer: ada, an error
Ruby's Net::SMTP: no one, an error
Net::SMTP: no one, an error
Email::Sender: no one, an error
MIME::Lite: no one, an error
net/smtp: no one, an error
go-mail: no one, an error
gomail: no one, an error
go-simple-mail: no one, an error
jordan-wright/email: no one, an error"
[ "$out" = "$want" ]
echo "as stated"

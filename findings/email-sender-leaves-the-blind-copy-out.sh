#!/usr/bin/env bash
# Mail libraries, a message to one address with a blind copy to another, as an archive's: what the mail server is given.
#
# A guess: the blind copy is a recipient of the envelope (RCPT TO), and its header is taken out of the message, in each library.
# Behaviour: ten of eleven do so. Perl's Email::Sender takes the recipients from To and Cc and sends the message as it is, with its Bcc header: the
# archive gets nothing, and Ada reads that it exists. Who wants the copy names all recipients in the call ({ to => […] }) and leaves the header out.
#
# Seen with nodemailer 7.0.10 and emailjs 5.0.3 on Node 20; wneessen/go-mail 0.8.1, gomail 2 and jordan-wright/email 4.0.1 on Go 1.26; and from Debian 12 Python
# 3.11, Django 3.2, PHPMailer 6.6.3, Ruby's mail 2.7.1, Email::Sender 2.600 and MIME::Lite 3.033.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund nodemailer@7.0.10 emailjs@5.0.3
apt-get download -q -o APT::Sandbox::User= $(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  python3-django php8.2-cli libphp-phpmailer ruby-mail libemail-sender-perl libmime-lite-perl | grep '^[a-z]' |
  grep -E '^(python3-(django|asgiref|sqlparse|tz)$|ruby-m|lib.*-perl$|libphp-|php8|libargon|libsodium|libpcre2-8|libxml2|libicu72|libedit|libbsd|libmd0)' | sort -u) >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >server.mjs <<'JS'
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
let seen = { to: 0, bcc: false };
createServer((socket) => {
  let data = false;
  let rest = "";
  const say = (line) => socket.write(`${line}\r\n`);
  say("220 mail.example ESMTP");
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    const lines = (rest + bytes.toString("latin1")).split("\r\n");
    rest = lines.pop();
    for (const line of lines) {
      if (data) {
        if (/archive@example\.com/i.test(line)) seen.bcc = true;
        if (line === ".") {
          data = false;
          writeFileSync("seen.new", `${seen.to === 1 ? "1 recipient" : `${seen.to} recipients`}, ${seen.bcc ? "its header is in the message" : "the message has nothing of it"}`);
          renameSync("seen.new", "seen");
          seen = { to: 0, bcc: false };
          say("250 accepted");
        }
      } else if (/^DATA/i.test(line)) (data = true), say("354 go on");
      else if (/^QUIT/i.test(line)) say("221 bye"), socket.end();
      else {
        if (/^RCPT/i.test(line)) seen.to++;
        say("250 ok");
      }
    }
  });
}).listen(0, "127.0.0.1", function () {
  writeFileSync("port.new", String(this.address().port));
  renameSync("port.new", "port");
});
JS
cat >send.mjs <<'JS'
import nodemailer from "nodemailer";
import { SMTPClient } from "emailjs";
const [what, port] = process.argv.slice(2);
const message = { from: "door@example.com", to: "ada@example.com", bcc: "archive@example.com", subject: "Hello", text: "Hello" };
if (what === "nodemailer") await nodemailer.createTransport({ host: "127.0.0.1", port, ignoreTLS: true }).sendMail(message);
else await new SMTPClient({ host: "127.0.0.1", port: Number(port) }).sendAsync(message);
process.exit(0);
JS
cat >send.py <<'PY'
import smtplib, sys
from email.message import EmailMessage
what, port = sys.argv[1:]
if what == "Django":
    from django.conf import settings
    settings.configure(EMAIL_HOST="127.0.0.1", EMAIL_PORT=int(port))
    from django.core.mail import EmailMessage as Mail
    Mail("Hello", "Hello", "door@example.com", ["ada@example.com"], ["archive@example.com"]).send()
else:
    message = EmailMessage()
    message["From"], message["To"], message["Bcc"], message["Subject"] = "door@example.com", "ada@example.com", "archive@example.com", "Hello"
    message.set_content("Hello")
    with smtplib.SMTP("127.0.0.1", int(port)) as server:
        server.send_message(message)
PY
cat >send.php <<'PHP'
<?php
foreach (["Exception", "PHPMailer", "SMTP"] as $class) require "root/usr/share/php/libphp-phpmailer/src/$class.php";
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = "127.0.0.1";
$mail->Port = $argv[2];
$mail->setFrom("door@example.com");
$mail->addAddress("ada@example.com");
$mail->addBCC("archive@example.com");
$mail->Subject = $mail->Body = "Hello";
$mail->send();
PHP
cat >send.rb <<'RB'
require "mail"
mail = Mail.new(from: "door@example.com", to: "ada@example.com", bcc: "archive@example.com", subject: "Hello", body: "Hello")
mail.delivery_method(:smtp, address: "127.0.0.1", port: ARGV[1].to_i, enable_starttls_auto: false)
mail.deliver!
RB
cat >send.pl <<'PL'
my ($what, $port) = @ARGV;
my %header = (From => 'door@example.com', To => 'ada@example.com', Bcc => 'archive@example.com', Subject => "Hello");
if ($what eq "MIME::Lite") {
  require MIME::Lite;
  MIME::Lite->new(%header, Data => "Hello")->send("smtp", "127.0.0.1", Port => $port);
} else {
  require Email::Simple; require Email::Sender::Simple; require Email::Sender::Transport::SMTP;
  my $transport = Email::Sender::Transport::SMTP->new({ host => "127.0.0.1", port => $port });
  my @to = $what =~ /all named/ ? (to => [$header{To}, delete $header{Bcc}]) : ();
  Email::Sender::Simple->send(Email::Simple->create(header => [%header], body => "Hello"), { transport => $transport, @to });
}
PL
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/jordan-wright/email v4.0.1-0.20210109023952-943e75fe5223+incompatible
	github.com/wneessen/go-mail v0.8.1
	gopkg.in/gomail.v2 v2.0.0-20160411212932-81ebce5c23df
)
MOD
cat >main.go <<'GO'
package main

import (
	"os"
	"strconv"

	"github.com/jordan-wright/email"
	"github.com/wneessen/go-mail"
	"gopkg.in/gomail.v2"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	must(err)
	switch os.Args[1] {
	case "go-mail":
		message := mail.NewMsg()
		must(message.From("door@example.com"))
		must(message.To("ada@example.com"))
		must(message.Bcc("archive@example.com"))
		message.Subject("Hello")
		message.SetBodyString(mail.TypeTextPlain, "Hello")
		client, err := mail.NewClient("127.0.0.1", mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS))
		must(err)
		must(client.DialAndSend(message))
	case "gomail":
		message := gomail.NewMessage()
		message.SetHeaders(map[string][]string{"From": {"door@example.com"}, "To": {"ada@example.com"}, "Bcc": {"archive@example.com"}, "Subject": {"Hello"}})
		message.SetBody("text/plain", "Hello")
		must((&gomail.Dialer{Host: "127.0.0.1", Port: port}).DialAndSend(message))
	case "jordan-wright/email":
		message := &email.Email{From: "door@example.com", To: []string{"ada@example.com"}, Bcc: []string{"archive@example.com"}, Subject: "Hello", Text: []byte("Hello")}
		must(message.Send("127.0.0.1:"+os.Args[2], nil))
	}
}
GO
go mod tidy >/dev/null 2>&1
go build -o send .
node server.mjs &
server=$!
for _ in $(seq 300); do [ -e port ] && break; sleep 0.1; done
port=$(cat port)
export PERL5LIB="$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36)"
export PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
# tell NAME COMMAND…: sends with the command, and says what arrived.
tell() {
  rm -f seen
  "${@:2}" "$1" "$port" >sent 2>&1 || { cat sent >&2; return 1; }
  echo "$1: $(cat seen)"
}
php() { LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) root/usr/bin/php8.2 -n "$@"; }
{
  tell nodemailer node send.mjs
  tell emailjs node send.mjs
  tell go-mail ./send
  tell gomail ./send
  tell jordan-wright/email ./send
  tell smtplib /usr/bin/python3 send.py
  tell Django /usr/bin/python3 send.py
  tell PHPMailer php send.php
  tell "Ruby mail" ruby -I "$dir/root/usr/lib/ruby/vendor_ruby" -I "$(dirname "$(find "$dir/root" -name mini_mime.rb)")" send.rb
  tell MIME::Lite perl send.pl
  tell Email::Sender perl send.pl
  tell "Email::Sender, all named" perl send.pl
} >out
cat out
want='nodemailer: 2 recipients, the message has nothing of it
emailjs: 2 recipients, the message has nothing of it
go-mail: 2 recipients, the message has nothing of it
gomail: 2 recipients, the message has nothing of it
jordan-wright/email: 2 recipients, the message has nothing of it
smtplib: 2 recipients, the message has nothing of it
Django: 2 recipients, the message has nothing of it
PHPMailer: 2 recipients, the message has nothing of it
Ruby mail: 2 recipients, the message has nothing of it
MIME::Lite: 2 recipients, the message has nothing of it
Email::Sender: 1 recipient, its header is in the message
Email::Sender, all named: 2 recipients, the message has nothing of it'
[ "$(cat out)" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# DKIM signers of Node, Go, Python, Perl and PHP, a mail with List-Unsubscribe and List-Unsubscribe-Post: which headers they sign unasked.
#
# A guess: a signer covers what is in the mail, or at the least the headers that mean something; List-Unsubscribe and List-Unsubscribe-Post
# belong together and are treated alike.
# Behaviour: mailauth, dkimpy, Mail::DKIM and PHPMailer sign a fixed list that is older than the second header: List-Unsubscribe is on it,
# except PHPMailer's, List-Unsubscribe-Post never. RFC 8058, section 4, wants both covered, so the signature is good, and a mailbox that
# keeps to the RFC offers no one-click button. Nodemailer 10 signs both, 7 the first alone, and Go's go-msgauth what is there. Nodemailer's own option
# "list" takes the second one's value for an address and writes <http://List-Unsubscribe=One-Click>; it has to go among the plain headers.
#
# Seen with nodemailer 10.6.1 and 7.0.11 and mailauth 4.13.3 on Node 20; go-msgauth 0.7.0 on Go 1.26; dkimpy 1.1.4, Mail::DKIM 1.20230212 and PHPMailer 6.6.3 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund nodemailer@10.6.1 nodemailer7@npm:nodemailer@7.0.11 mailauth@4.13.3
apt-get download -q -o APT::Sandbox::User= python3-dkim python3-dnspython libmail-dkim-perl libmailtools-perl libcrypt-openssl-rsa-perl \
  libcrypt-openssl-bignum-perl libnet-dns-perl libmail-authenticationresults-perl libclone-perl libjson-perl libcryptx-perl \
  libphp-phpmailer php8.2-cli php8.2-common libargon2-1 libsodium23 libedit2 libbsd0 libmd0 >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
openssl genrsa -traditional -out key.pem 2048 2>/dev/null
cat >mail.txt <<'MAIL'
From: app@example.com
To: ada@example.com
Subject: This week
Date: Mon, 30 Nov 2026 12:00:00 +0000
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: text/plain
List-Unsubscribe: <https://example.com/leave?t=1>
List-Unsubscribe-Post: List-Unsubscribe=One-Click

Hello
MAIL
sed -i 's/$/\r/' mail.txt
cat >sign.mjs <<'JS'
import { readFileSync } from "node:fs";
import { dkimSign } from "mailauth/lib/dkim/sign.js";
import nodemailer from "nodemailer";
import nodemailer7 from "nodemailer7";
const privateKey = readFileSync("key.pem", "utf8");
const options = { streamTransport: true, buffer: true, dkim: { domainName: "example.com", keySelector: "s", privateKey } };
const people = { from: "app@example.com", to: "ada@example.com", subject: "This week", text: "Hello" };
const oneClick = "List-Unsubscribe=One-Click";
for (const [name, library] of Object.entries({ "nodemailer 10": nodemailer, "nodemailer 7": nodemailer7 })) {
  const transport = library.createTransport(options);
  const listed = await transport.sendMail({ ...people, list: { "unsubscribe-post": oneClick } });
  console.error(`${name}, list: ${listed.message.toString().match(/^List-Unsubscribe-Post:.*/im)[0].trim()}`);
  const { message } = await transport.sendMail({ ...people, list: { unsubscribe: "https://example.com/leave?t=1" }, headers: { "List-Unsubscribe-Post": oneClick } });
  console.log(`${name}\t${JSON.stringify(message.toString())}`);
}
const { signatures } = await dkimSign(readFileSync("mail.txt"), { signatureData: [{ signingDomain: "example.com", selector: "s", privateKey }] });
console.log("mailauth\t" + JSON.stringify(signatures + readFileSync("mail.txt")));
JS
cat >sign.py <<'PY'
import dkim, json
mail = open("mail.txt", "rb").read()
print("dkimpy\t" + json.dumps((dkim.sign(mail, b"s", b"example.com", open("key.pem", "rb").read()) + mail).decode()))
PY
cat >sign.pl <<'PL'
use Mail::DKIM::Signer;
use JSON;
my $signer = Mail::DKIM::Signer->new(Algorithm => "rsa-sha256", Method => "relaxed", Domain => "example.com", Selector => "s", KeyFile => "key.pem");
open my $file, "<", "mail.txt" or die;
my $mail = join "", <$file>;
$signer->PRINT($mail);
$signer->CLOSE;
print "Mail::DKIM\t", JSON->new->allow_nonref->encode($signer->signature->as_string . "\r\n" . $mail), "\n";
PL
cat >sign.php <<'PHP'
<?php
set_include_path("root/usr/share/php");
require "libphp-phpmailer/autoload.php";
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->setFrom("app@example.com");
$mail->addAddress("ada@example.com");
$mail->Subject = "This week";
$mail->Body = "Hello";
$mail->addCustomHeader("List-Unsubscribe", "<https://example.com/leave?t=1>");
$mail->addCustomHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
$mail->DKIM_domain = "example.com";
$mail->DKIM_selector = "s";
$mail->DKIM_private = "key.pem";
$mail->preSend();
echo "PHPMailer\t", json_encode($mail->getSentMIMEMessage()), "\n";
PHP
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/emersion/go-msgauth v0.7.0
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/emersion/go-msgauth/dkim"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	block, _ := pem.Decode(must(os.ReadFile("key.pem")))
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(must(os.ReadFile("mail.txt"))), &dkim.SignOptions{
		Domain: "example.com", Selector: "s", Signer: must(x509.ParsePKCS1PrivateKey(block.Bytes)),
	})
	fmt.Printf("go-msgauth\t%s\n", must(json.Marshal(must(out.String(), err))))
}
GO
go mod tidy >/dev/null 2>&1
perl=$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*/perl5/5.36)
{
  node sign.mjs 2>listed
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 sign.py
  PERL5LIB=$perl perl sign.pl
  LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu) "$dir"/root/usr/bin/php8.2 -n -d extension_dir="$(echo "$dir"/root/usr/lib/php/20220829)" -d extension=ctype -d extension=phar sign.php
  go run .
} >signed
cat >read.mjs <<'JS'
import { readFileSync } from "node:fs";
for (const line of readFileSync("signed", "utf8").trim().split("\n")) {
  const at = line.indexOf("\t");
  const mail = JSON.parse(line.slice(at)).replace(/\r?\n[ \t]+/g, "");
  const signed = mail.match(/^DKIM-Signature:.*?;\s*h=([^;]*)/im)[1].toLowerCase().split(":").map((name) => name.trim());
  const answers = ["List-Unsubscribe", "List-Unsubscribe-Post"].map((name) => {
    if (!mail.includes(`\n${name}:`)) throw new Error(`${line.slice(0, at)}: no ${name}`);
    return `${name} ${signed.includes(name.toLowerCase()) ? "signed" : "not signed"}`;
  });
  console.log(`${line.slice(0, at)}: ${answers.join(", ")}`);
}
JS
out=$(cat listed; node read.mjs)
echo "$out"
want='nodemailer 10, list: List-Unsubscribe-Post: <http://List-Unsubscribe=One-Click>
nodemailer 7, list: List-Unsubscribe-Post: <http://List-Unsubscribe=One-Click>
nodemailer 10: List-Unsubscribe signed, List-Unsubscribe-Post signed
nodemailer 7: List-Unsubscribe signed, List-Unsubscribe-Post not signed
mailauth: List-Unsubscribe signed, List-Unsubscribe-Post not signed
dkimpy: List-Unsubscribe signed, List-Unsubscribe-Post not signed
Mail::DKIM: List-Unsubscribe signed, List-Unsubscribe-Post not signed
PHPMailer: List-Unsubscribe not signed, List-Unsubscribe-Post not signed
go-msgauth: List-Unsubscribe signed, List-Unsubscribe-Post signed'
[ "$out" = "$want" ]
echo "as stated"

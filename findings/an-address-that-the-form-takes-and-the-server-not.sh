#!/usr/bin/env bash
# Checks of e-mail addresses, of a browser's field, of libraries for forms and of servers, on addresses that are good, if not everyday.
#
# A guess: they differ about quotes, comments and addresses without a dot. What a mailbox is really called, an apostrophe or an ampersand in the name, a
# host of the company's own network or a test domain, passes in all of them.
# Behaviour: valibot and arktype refuse Mrs O'Hara, and with zod the "&" and "=" of RFC 5322, such as a list's return addresses have. valibot refuses
# international domains in the form that mail needs (xn--). joi refuses each domain that isn't below one of its list, so .internal and .test, and
# Python's email-validator refuses .test, so tests need another domain. Chromium's field, yup, validator.js, Django, PHP, Go's net/mail, Ruby's
# URI and Email::Valid take all six. An account that one service has made can't be typed into the other's form.
#
# Seen with Chromium 156, zod 4.1.12, valibot 1.1.0, arktype 2.1.27, joi 18.0.1, yup 1.7.1 and validator 13.15.20 on Node 20; Go 1.26; and from Debian 12
# Django 3.2, email-validator 1.3.0, PHP 8.2, Ruby 3.1 and Email::Valid 1.203.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund zod@4.1.12 valibot@1.1.0 arktype@2.1.27 joi@18.0.1 yup@1.7.1 validator@13.15.20 playwright-core@1.56.1
apt-get download -q -o APT::Sandbox::User= python3-django python3-asgiref python3-sqlparse python3-tz python3-email-validator python3-dnspython python3-idna php8.2-cli php8.2-common \
  libargon2-1 libsodium23 libedit2 libbsd0 libmd0 libxml2 libicu72 libpcre2-8-0 libemail-valid-perl libmailtools-perl libnet-dns-perl libio-captureoutput-perl libnet-domain-tld-perl \
  libtimedate-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >check.mjs <<'JS'
import { type } from "arktype";
import joi from "joi";
import { chromium } from "playwright-core";
import * as valibot from "valibot";
import validator from "validator";
import * as yup from "yup";
import { z } from "zod";
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
await page.setContent("<!doctype html><input type=email required>");
const field = async (address) => {
  await page.fill("input", address);
  return page.$eval("input", (input) => input.checkValidity());
};
const checks = {
  Chromium: field,
  zod: (address) => z.email().safeParse(address).success,
  valibot: (address) => valibot.safeParse(valibot.pipe(valibot.string(), valibot.email()), address).success,
  arktype: (address) => !(type("string.email")(address) instanceof type.errors),
  joi: (address) => !joi.string().email().validate(address).error,
  yup: (address) => yup.string().email().isValid(address),
  "validator.js": (address) => validator.isEmail(address),
};
for (const address of process.argv.slice(2))
  for (const [name, check] of Object.entries(checks)) console.log(`${address} ${(await check(address)) ? "taken" : "refused"} ${name}`);
await browser.close();
JS
cat >check.py <<'PY'
import sys
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from email_validator import EmailNotValidError, validate_email as check
for address in sys.argv[1:]:
    for name, way, wrong in ("Django", validate_email, ValidationError), ("email-validator", lambda a: check(a, check_deliverability=False), EmailNotValidError):
        try:
            way(address)
            print(address, "taken", name)
        except wrong:
            print(address, "refused", name)
PY
cat >check.php <<'PHP'
<?php
foreach (array_slice($argv, 1) as $address) echo $address, filter_var($address, FILTER_VALIDATE_EMAIL) ? " taken" : " refused", " PHP\n";
PHP
cat >check.rb <<'RB'
require "uri"
ARGV.each { |address| puts "#{address} #{address.match?(URI::MailTo::EMAIL_REGEXP) ? "taken" : "refused"} Ruby" }
RB
cat >check.pl <<'PL'
use Email::Valid;
print "$_ ", Email::Valid->address($_) ? "taken" : "refused", " Email::Valid\n" for @ARGV;
PL
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/mail"
	"os"
)

func main() {
	for _, address := range os.Args[1:] {
		answer := "taken"
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
			answer = "refused"
		}
		fmt.Println(address, answer, "net/mail")
	}
}
GO
go build -o check main.go
# The last one is no address, and shows that each of them can say no.
addresses=("o'hara@example.com" "ada&bob@example.com" "ada=list@example.com" ada@mail.corp.internal ada@example.test ada@xn--bcher-kva.de ada@@example.com)
{
  node check.mjs "${addresses[@]}" 2>/dev/null
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 check.py "${addresses[@]}"
  LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) root/usr/bin/php8.2 -n check.php "${addresses[@]}"
  ruby check.rb "${addresses[@]}"
  PERL5LIB=$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*-linux-gnu/perl5/5.36) perl check.pl "${addresses[@]}"
  ./check "${addresses[@]}"
} >seen
for address in "${addresses[@]}"; do
  echo "${address/\'/’} taken by $(grep -cF "$address taken " seen || true), refused by $(grep -F "$address refused " seen | sed 's/.* refused //' | paste -sd, | sed 's/,/, /g' | grep . || echo none)"
done >out
cat out
want='o’hara@example.com taken by 11, refused by valibot, arktype
ada&bob@example.com taken by 10, refused by zod, valibot, arktype
ada=list@example.com taken by 10, refused by zod, valibot, arktype
ada@mail.corp.internal taken by 12, refused by joi
ada@example.test taken by 11, refused by joi, email-validator
ada@xn--bcher-kva.de taken by 12, refused by valibot
ada@@example.com taken by 0, refused by Chromium, zod, valibot, arktype, joi, yup, validator.js, Django, email-validator, PHP, Ruby, Email::Valid, net/mail'
[ "$(cat out)" = "$want" ]
echo "as stated"

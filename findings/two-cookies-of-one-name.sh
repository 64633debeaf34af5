#!/usr/bin/env bash
# "Cookie: sid=first; sid=second", as a browser sends two cookies of one name, the one for /app before the one for /: what frameworks read.
#
# A guess: the first. Browsers put the longer path first for this (RFC 6265, section 5.4), so the first is the one that is meant for the page.
# In Python, where cookies become a dict, it is the last.
# Behaviour: the first in Go's net/http and Fiber, npm cookie, cookies, Fastify and universal-cookie, in PHP, Rack, CGI.pm and Plack, but in Python
# too: Werkzeug and Falcon. Django, Tornado, Starlette, aiohttp, Bottle and WebOb read the second, and so do Next.js, where getAll("sid") has one
# entry, and Mojolicious. Hono reads the first by getCookie(c, "sid") and the second by getCookie(c).sid. Under hapi the value is an array as soon as there
# are two. A cookie that has moved from / to /app, and whose old one wasn't deleted, thus works in one half of a
# company's services and signs people out in the other.
#
# Seen with Go 1.26 and Fiber 2.52.9; cookie 1.0.2, cookies 0.9.1, fastify 5.6.1 with @fastify/cookie 11.0.2, universal-cookie 8.0.1, next 15.5.4, hono 4.9.9 and
# @hapi/hapi 21.4.3 on Node 20; and from Debian 12 Django 3.2.25, Werkzeug 2.2.2, Tornado 6.2.0, Starlette 0.26.1, Falcon 3.1.1, aiohttp 3.8.4,
# Bottle 0.12.23, WebOb 1.8.6, Rack 2.2.22, CGI.pm 4.55, Plack 1.0050, Mojolicious 9.31 and PHP 8.2.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cookie@1.0.2 cookies@0.9.1 fastify@5.6.1 @fastify/cookie@11.0.2 universal-cookie@8.0.1 next@15.5.4 react@19.1.1 react-dom@19.1.1 hono@4.9.9 @hapi/hapi@21.4.3
apt-get download -q -o APT::Sandbox::User= $(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  ruby-rack libcgi-pm-perl libplack-perl libmojolicious-perl php8.2-cgi | grep '^[a-z]' | grep -E '^(ruby|libruby|rubygems|lib.*-perl|php8|libargon|libsodium|libyaml-0|libpcre2-8|libxml2|libicu72)' | sort -u) \
  python3-django python3-asgiref python3-sqlparse python3-tz python3-aiohttp python3-aiosignal python3-async-timeout python3-attr python3-charset-normalizer \
  python3-frozenlist python3-multidict python3-yarl python3-idna python3-bottle python3-tornado python3-starlette python3-anyio python3-sniffio \
  python3-falcon python3-webob python3-werkzeug python3-markupsafe >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export COOKIES='sid=first; sid=second'
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/gofiber/fiber/v2 v2.52.9
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"

	"github.com/gofiber/fiber/v2"
)

func main() {
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Cookie", os.Getenv("COOKIES"))
	cookie, err := request.Cookie("sid")
	must(err)
	fmt.Println("net/http:", cookie.Value)
	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString(c.Cookies("sid")) })
	answer, err := app.Test(request, -1)
	must(err)
	body, err := io.ReadAll(answer.Body)
	must(err)
	fmt.Printf("Fiber: %s\n", body)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
GO
cat >read.mjs <<'JS'
import fastifyCookie from "@fastify/cookie";
import hapi from "@hapi/hapi";
import { parse } from "cookie";
import Cookies from "cookies";
import fastify from "fastify";
import { Hono } from "hono";
import { getCookie } from "hono/cookie";
import { NextRequest } from "next/server.js";
import UniversalCookie from "universal-cookie";
const cookie = process.env.COOKIES;
const headers = { cookie };
console.log("cookie:", parse(cookie).sid);
console.log("cookies:", new Cookies({ headers, socket: {} }, {}).get("sid"));
const app = fastify();
await app.register(fastifyCookie);
app.get("/", async (request) => request.cookies.sid);
console.log("Fastify:", (await app.inject({ url: "/", headers })).payload);
console.log("universal-cookie:", new UniversalCookie(cookie).get("sid"));
const next = new NextRequest("http://app.example/", { headers }).cookies;
console.log("Next.js:", next.get("sid").value, "of", next.getAll("sid").length);
const hono = new Hono().get("/", (c) => c.text(`${getCookie(c, "sid")} by name, ${getCookie(c).sid} of all`));
console.log("Hono:", await (await hono.request("/", { headers })).text());
const server = hapi.server();
server.route({ method: "GET", path: "/", handler: (request) => JSON.stringify(request.state.sid) });
console.log("hapi:", (await server.inject({ url: "/", headers })).payload);
JS
cat >read.py <<'PY'
import os
import bottle, falcon, webob
from aiohttp.test_utils import make_mocked_request
from django.http.cookie import parse_cookie as django_cookies
from falcon import testing
from starlette.requests import cookie_parser
from tornado.httputil import parse_cookie as tornado_cookies
from werkzeug.http import parse_cookie as werkzeug_cookies

header = os.environ["COOKIES"]
for name, sid in {
    "Django": django_cookies(header)["sid"],
    "Tornado": tornado_cookies(header)["sid"],
    "Starlette": cookie_parser(header)["sid"],
    "aiohttp": make_mocked_request("GET", "/", headers={"Cookie": header}).cookies["sid"],
    "Bottle": bottle.BaseRequest({"HTTP_COOKIE": header}).get_cookie("sid"),
    "WebOb": webob.Request.blank("/", headers={"Cookie": header}).cookies["sid"],
    "Werkzeug": werkzeug_cookies(header)["sid"],
    "Falcon": falcon.Request(testing.create_environ(headers={"Cookie": header})).cookies["sid"],
}.items():
    print(f"{name}: {sid}")
PY
cat >read.rb <<'RB'
require "rack"
puts "Rack: " + Rack::Utils.parse_cookies("HTTP_COOKIE" => ENV["COOKIES"])["sid"]
RB
cat >read.pl <<'PL'
use strict; use warnings;
use CGI::Cookie; use Plack::Request; use Mojo::Message::Request;
my %cgi = CGI::Cookie->parse($ENV{COOKIES});
print "CGI.pm: ", $cgi{sid}->value, "\n";
print "Plack: ", Plack::Request->new({HTTP_COOKIE => $ENV{COOKIES}})->cookies->{sid}, "\n";
my $request = Mojo::Message::Request->new;
$request->headers->cookie($ENV{COOKIES});
print "Mojolicious: ", $request->cookie('sid')->value, "\n";
PL
cat >read.php <<'PHP'
<?php echo "PHP: ", $_COOKIE["sid"], "\n";
PHP
go mod tidy >/dev/null 2>&1
libs=$(echo "$dir"/root/usr/lib/*-linux-gnu)
out=$(
  go run .
  node read.mjs
  PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore read.py
  LD_LIBRARY_PATH=$libs RUBYLIB=$(find root -type d -path '*rubygems-integration*' -o -type d -path '*vendor_ruby' -o -type d -path '*ruby/3.1.0' -o -type d -path '*-linux-gnu/ruby/3.1.0' | sed "s#^#$dir/#" | paste -sd:) root/usr/bin/ruby3.1 --disable-gems read.rb
  PERL5LIB=$(echo "$dir"/root/usr/share/perl5):$(echo "$dir"/root/usr/lib/*/perl5/5.36) perl read.pl
  LD_LIBRARY_PATH=$libs REDIRECT_STATUS=200 SCRIPT_FILENAME=$dir/read.php REQUEST_METHOD=GET HTTP_COOKIE=$COOKIES root/usr/bin/php-cgi8.2 -q | grep "^PHP:"
)
echo "$out"
want='net/http: first
Fiber: first
cookie: first
cookies: first
Fastify: first
universal-cookie: first
Next.js: second of 1
Hono: first by name, second of all
hapi: ["first","second"]
Django: second
Tornado: second
Starlette: second
aiohttp: second
Bottle: second
WebOb: second
Werkzeug: first
Falcon: first
Rack: first
CGI.pm: first
Plack: first
Mojolicious: second
PHP: first'
[ "$out" = "$want" ]
echo "as stated"

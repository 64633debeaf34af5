#!/usr/bin/env bash
# Cookie: sid="abc", with quotes, as a program writes it that takes them for the way to write a text: who reads the quotes as a part of the value.
#
# A guess: everyone. RFC 6265, section 5.2, has no quoting: browsers keep and send the quotes like any other byte. Python's
# http.cookies, which is older and writes them itself, is the exception.
# Behaviour: npm cookie, and with it Fastify, keep them. Go, npm cookies (Koa), Hono, hapi and every framework for Python that was tried, also
# those with parsers of their own, take them off. So a value that is signed or looked up with its quotes is found by an Express
# app and not by the Koa app beside it.
#
# Seen with Go 1.26; cookie 1.0.2, cookies 0.9.1, fastify 5.6.1 with @fastify/cookie 11.0.2, hono 4.9.9 and @hapi/hapi 21.4.3 on Node 20; and from Debian 12
# Django 3.2.25, Werkzeug 2.2.2, Tornado 6.2.0, Starlette 0.26.1, Falcon 3.1.1 and aiohttp 3.8.4.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cookie@1.0.2 cookies@0.9.1 fastify@5.6.1 @fastify/cookie@11.0.2 hono@4.9.9 @hapi/hapi@21.4.3
apt-get download -q -o APT::Sandbox::User= python3-django python3-asgiref python3-sqlparse python3-tz python3-aiohttp python3-aiosignal \
  python3-async-timeout python3-attr python3-charset-normalizer python3-frozenlist python3-multidict python3-yarl python3-idna python3-tornado \
  python3-starlette python3-anyio python3-sniffio python3-falcon python3-werkzeug python3-markupsafe >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
export COOKIES='sid="abc"'
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http/httptest"
	"os"
)

func main() {
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Cookie", os.Getenv("COOKIES"))
	cookie, err := request.Cookie("sid")
	if err != nil {
		panic(err)
	}
	fmt.Println("Go:", cookie.Value)
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
const headers = { cookie: process.env.COOKIES };
console.log("cookie:", parse(headers.cookie).sid);
const app = fastify();
await app.register(fastifyCookie);
app.get("/", async (request) => request.cookies.sid);
console.log("Fastify:", (await app.inject({ url: "/", headers })).payload);
console.log("cookies:", new Cookies({ headers, socket: {} }, {}).get("sid"));
const hono = new Hono().get("/", (c) => c.text(getCookie(c, "sid")));
console.log("Hono:", await (await hono.request("/", { headers })).text());
const server = hapi.server();
server.route({ method: "GET", path: "/", handler: (request) => request.state.sid });
console.log("hapi:", (await server.inject({ url: "/", headers })).payload);
JS
cat >read.py <<'PY'
import os
from aiohttp.test_utils import make_mocked_request
from django.http.cookie import parse_cookie as django_cookies
from falcon.request_helpers import parse_cookie_header
from starlette.requests import cookie_parser
from tornado.httputil import parse_cookie as tornado_cookies
from werkzeug.http import parse_cookie as werkzeug_cookies

header = os.environ["COOKIES"]
print("Django:", django_cookies(header)["sid"])
print("Tornado:", tornado_cookies(header)["sid"])
print("Starlette:", cookie_parser(header)["sid"])
print("aiohttp:", make_mocked_request("GET", "/", headers={"Cookie": header}).cookies["sid"])
print("Werkzeug:", werkzeug_cookies(header)["sid"])
print("Falcon:", parse_cookie_header(header)["sid"][0])
PY
out=$(go run main.go; node read.mjs; PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore read.py)
echo "$out"
want='Go: abc
cookie: "abc"
Fastify: "abc"
cookies: abc
Hono: abc
hapi: abc
Django: abc
Tornado: abc
Starlette: abc
aiohttp: abc
Werkzeug: abc
Falcon: abc'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# Web frameworks of Node and Python, and their plain call to delete a cookie, clearCookie(name) or the like, for one called __Host-sid; in Chromium.
#
# A guess: to delete a cookie its name and path suffice, so the call signs the person out. Secure is about sending it.
# Behaviour: a browser looks at the prefix in the deletion too, and drops a line without Secure and Path=/ without a word: the cookie stays.
# That is what Express, Fastify, Koa, Flask, Starlette, aiohttp, Bottle, Falcon and Tornado send. hono and h3 know the prefix
# and throw, so a sign-out is answered with 500. Django alone adds Secure by itself. Elsewhere the call needs secure: true, and Falcon and
# Bottle a path too.
#
# Seen with Express 5.3.0, Fastify 5.12.8 with @fastify/cookie 11.1.5, Koa 3.3.0, hono 4.13.19 and h3 2.0.8 on Node 20; Django 3.2.25, Flask 2.2.2,
# Starlette 0.26.1, aiohttp 3.8.4, Bottle 0.12.23, Falcon 3.1.1 and Tornado 6.2.0 from Debian 12; Chromium 156, driven by playwright-core 1.56.1. Needs
# a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-django=3:3.2.25-0+deb12u7 python3-asgiref python3-sqlparse python3-tz python3-flask=2.2.2-3 python3-werkzeug \
  python3-jinja2 python3-itsdangerous python3-click python3-markupsafe python3-aiohttp python3-aiosignal python3-async-timeout python3-attr \
  python3-charset-normalizer python3-frozenlist python3-multidict python3-yarl python3-idna python3-bottle python3-falcon python3-tornado \
  python3-starlette python3-anyio python3-sniffio >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 express@5.3.0 fastify@5.12.8 @fastify/cookie@11.1.5 koa@3.3.0 hono@4.13.19 h3@2.0.8
cat >lines.py <<'PY'
import json
from unittest import mock
import aiohttp.web, bottle, django.http, falcon, flask, starlette.responses, tornado.web
from django.conf import settings
settings.configure()
name = "__Host-sid"
lines = {}
answer = django.http.HttpResponse()
answer.delete_cookie(name)
lines["Django"] = answer.cookies[name].OutputString()
with flask.Flask("app").app_context():
    answer = flask.make_response("")
    answer.delete_cookie(name)
    lines["Flask"] = answer.headers["Set-Cookie"]
answer = starlette.responses.Response()
answer.delete_cookie(name)
lines["Starlette"] = answer.headers["set-cookie"]
answer = aiohttp.web.Response()
answer.del_cookie(name)
lines["aiohttp"] = answer.cookies[name].OutputString()
answer = bottle.BaseResponse()
answer.delete_cookie(name)
lines["Bottle"] = dict(answer.headerlist)["Set-Cookie"]
answer = falcon.Response()
answer.unset_cookie(name)
lines["Falcon"] = dict(answer._wsgi_headers())["set-cookie"]
handler = tornado.web.RequestHandler(tornado.web.Application(), mock.MagicMock())
handler.clear_cookie(name)
lines["Tornado"] = handler._new_cookie[name].OutputString()
print(json.dumps(lines))
PY
cat >delete.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import cookies from "@fastify/cookie";
import express from "express";
import Fastify from "fastify";
import { H3, deleteCookie as deleteOfH3 } from "h3";
import { Hono } from "hono";
import { deleteCookie as deleteOfHono } from "hono/cookie";
import Koa from "koa";
import { chromium } from "playwright-core";
const name = "__Host-sid";
const over = async (handler) => {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
  await answer.text();
  server.close();
  return answer;
};
const answers = {
  Express: () => over(express().get("/", (request, response) => response.clearCookie(name).send("out"))),
  Fastify: async () => {
    const app = Fastify();
    await app.register(cookies);
    app.get("/", (request, reply) => reply.clearCookie(name).send("out"));
    const { statusCode, headers } = await app.inject("/");
    return new Response("", { status: statusCode, headers: { "Set-Cookie": headers["set-cookie"] } });
  },
  Koa: () => over(new Koa().use((context) => { context.cookies.set(name, null); context.body = "out"; }).callback()),
  hono: () => new Hono().get("/", (context) => { deleteOfHono(context, name); return context.text("out"); }).request("/"),
  h3: () => new H3({ silent: true }).get("/", (event) => { deleteOfH3(event, name); return "out"; }).request("/"),
};
console.error = () => {};
const lines = {};
for (const [framework, ask] of Object.entries(answers)) {
  const answer = await ask();
  lines[framework] = answer.ok ? answer.headers.get("set-cookie") : answer.status;
}
Object.assign(lines, JSON.parse(readFileSync("python.json", "utf8")));
lines["any, with Secure and Path=/"] = `${name}=; Path=/; Secure; Max-Age=0`;
let line;
const site = createServer((request, response) => {
  if (request.url === "/out") response.setHeader("Set-Cookie", line);
  if (request.url === "/in") response.setHeader("Set-Cookie", `${name}=A; Path=/; Secure; HttpOnly; SameSite=Lax`);
  response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
});
await new Promise((done) => site.listen(0, "127.0.0.1", done));
const base = `http://localhost:${site.address().port}`;
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const context = await browser.newContext();
const page = await context.newPage();
for (const framework of Object.keys(lines)) {
  line = lines[framework];
  if (typeof line === "number") {
    console.log(`${framework}: answers ${line}`);
    continue;
  }
  await page.goto(`${base}/in`);
  if ((await context.cookies()).length !== 1) throw new Error("no cookie to delete");
  await page.goto(`${base}/out`);
  console.log(`${framework}: ${(await context.cookies()).length ? "stays" : "deleted"}`);
}
await browser.close();
site.closeAllConnections();
site.close();
JS
PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -W ignore lines.py >python.json
out=$(timeout 300 node delete.mjs 2>errors) || { cat errors; exit 1; }
echo "$out"
want='Express: stays
Fastify: stays
Koa: stays
hono: answers 500
h3: answers 500
Django: deleted
Flask: stays
Starlette: stays
aiohttp: stays
Bottle: stays
Falcon: stays
Tornado: stays
any, with Secure and Path=/: deleted'
[ "$out" = "$want" ]
echo "as stated"

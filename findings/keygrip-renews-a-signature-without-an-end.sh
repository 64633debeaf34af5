#!/usr/bin/env bash
# Signed cookies of npm cookies and keygrip, as cookie-session and Koa have them, after a new key was put before the old one.
#
# A guess: a cookie signed with the old key is good for as long as the old key is in the list; if it is signed anew, then as it was first set.
# Behaviour: the cookie itself stays, and its signature, a cookie of its own, is sent again under the new key: without Expires and without
# SameSite, whatever the first one had. A browser that is closed then keeps the cookie and forgets the signature, so everyone who was to stay
# signed in for thirty days, and comes by after the rotation, is signed out at the next start. Nothing shows it before: the old key is still there.
#
# Seen with cookie-session 2.1.1, Koa 3.3.0, cookies 0.9.2, keygrip 1.1.0, Express 5.3.0 and, as the browser's jar, tough-cookie 6.0.0, on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cookie-session@2.1.1 koa@3.3.0 cookies@0.9.2 keygrip@1.1.0 express@5.3.0 tough-cookie@6.0.0
cat >rotate.mjs <<'JS'
import cookieSession from "cookie-session";
import express from "express";
import Koa from "koa";
import { CookieJar } from "tough-cookie";
const attributes = { maxAge: 30 * 24 * 3600 * 1000, sameSite: "strict", httpOnly: true };
const apps = {
  "cookie-session": (keys) =>
    express()
      .use(cookieSession({ name: "sid", keys, ...attributes }))
      .get("/enter", (request, response) => response.send((request.session.user = "ada")))
      .get("/", (request, response) => response.send(request.session.user ?? "signed out")),
  Koa: (keys) => {
    const app = new Koa({ keys });
    app.use((ctx) => {
      if (ctx.path === "/enter") ctx.cookies.set("sid", "ada", { signed: true, ...attributes });
      ctx.body = ctx.path === "/enter" ? "ada" : (ctx.cookies.get("sid", { signed: true }) ?? "signed out");
    });
    return app;
  },
};
const ask = async (app, jar, path) => {
  const server = await new Promise((done) => {
    const started = app.listen(0, "127.0.0.1", () => done(started));
  });
  const url = "http://app.example/";
  const cookie = await jar.getCookieString(url);
  const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: cookie ? { cookie } : {} });
  const lines = response.headers.getSetCookie();
  for (const line of lines) await jar.setCookie(line, url);
  const text = await response.text();
  server.closeAllConnections();
  server.close();
  const names = (line) => line.split("; ").map((part, i) => (i === 0 ? part.split("=")[0] : part.split("=")[0].toLowerCase())).join(" ");
  return `${text}; ${lines.map(names).join(" | ") || "no cookies"}`;
};
for (const [name, app] of Object.entries(apps)) {
  const jar = new CookieJar();
  console.log(`${name}, sign-in: ${await ask(app(["old"]), jar, "/enter")}`);
  console.log(`  a new key before the old one: ${await ask(app(["new", "old"]), jar, "/")}`);
  console.log(`  again: ${await ask(app(["new", "old"]), jar, "/")}`);
  // What a browser does when it is closed: cookies without an end go.
  const kept = (await jar.getCookies("http://app.example/")).filter((cookie) => cookie.isPersistent());
  const later = new CookieJar();
  for (const cookie of kept) await later.setCookie(cookie, "http://app.example/");
  console.log(`  after a restart of the browser, which keeps ${kept.map((cookie) => cookie.key).join(" ")}: ${await ask(app(["new", "old"]), later, "/")}`);
}
JS
out=$(node rotate.mjs)
echo "$out"
want='cookie-session, sign-in: ada; sid path expires samesite httponly | sid.sig path expires samesite httponly
  a new key before the old one: ada; sid.sig path httponly
  again: ada; no cookies
  after a restart of the browser, which keeps sid: signed out; no cookies
Koa, sign-in: ada; sid path expires samesite httponly | sid.sig path expires samesite httponly
  a new key before the old one: ada; sid.sig path httponly
  again: ada; no cookies
  after a restart of the browser, which keeps sid: signed out; no cookies'
[ "$out" = "$want" ]
echo "as stated"

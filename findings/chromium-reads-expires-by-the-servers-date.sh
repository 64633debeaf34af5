#!/usr/bin/env bash
# A cookie with Expires and without Max-Age, in an answer whose Date is an hour off, in Chromium, curl, wget, Node's tough-cookie and Python.
#
# A guess: Expires is a point in time (RFC 6265, section 5.3), judged by the browser's clock; Date is for caches.
# Behaviour: Chromium takes Expires minus Date for the time to live. If Date is an hour ahead, a cookie with half an hour is not kept at all;
# if it is an hour behind, it lives an hour longer, and one that ended half an hour ago is kept. So a deletion by Expires alone can fail, and a sign-in
# can fail in the browser alone, behind a server with a wrong clock, or where the two headers come from two machines. The others
# don't read Date; Max-Age doesn't depend on it.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1; tough-cookie 6.0.0 on Node 20; curl 7.88.1, wget 1.21.3 and Python 3.11 of Debian 12.
# Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 tough-cookie@6.0.0
cat >ask.mjs <<'JS'
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { CookieJar } from "tough-cookie";
const run = promisify(execFile);
const inMinutes = (minutes) => new Date(Date.now() + minutes * 60_000).toUTCString();
const cookies = { right: [0, 30], "date-ahead": [60, 30], "date-behind": [-60, 30], "date-behind-and-ended": [-60, -30] };
const server = createServer((request, response) => {
  const name = request.url.slice(1);
  response.setHeader("Content-Type", "text/html");
  if (name === "see") return response.end(request.headers.cookie ?? "");
  if (cookies[name]) {
    const [date, end] = cookies[name];
    response.setHeader("Date", inMinutes(date)).setHeader("Set-Cookie", `${name}=1; Path=/; Expires=${inMinutes(end)}`);
  }
  response.end("<!doctype html><link rel=icon href=data:,>");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}`;
const names = Object.keys(cookies);
const tell = (client, seen) => console.log(`${client}: ${seen.split("; ").map((cookie) => cookie.replace("=1", "")).sort().join(" ")}`);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext();
const page = await context.newPage();
await page.goto(`${url}/`);
for (const name of names) await page.evaluate(async (name) => (await fetch(`/${name}`)).text(), name);
tell("Chromium", await page.evaluate(async () => (await fetch("/see")).text()));
for (const { name, expires } of await context.cookies()) console.error(`  ${name}: ${Math.round((expires - Date.now() / 1000) / 600) * 10} minutes`);
await browser.close();

tell("curl", (await run("curl", ["-s", "-c", "curl.txt", "-b", "curl.txt", ...names.flatMap((name) => ["-o", "page", `${url}/${name}`]), `${url}/see`])).stdout);
await run("wget", ["-q", "--save-cookies=wget.txt", "--keep-session-cookies", "-O", "page", ...names.map((name) => `${url}/${name}`)]);
tell("wget", (await run("wget", ["-q", "--load-cookies=wget.txt", "-O", "-", `${url}/see`])).stdout);
const jar = new CookieJar();
for (const name of names) for (const cookie of (await fetch(`${url}/${name}`)).headers.getSetCookie()) await jar.setCookie(cookie, `${url}/`);
tell("tough-cookie", await jar.getCookieString(`${url}/`));
const python = `
import http.cookiejar, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
for name in sys.argv[2:]:
    opener.open(f"{sys.argv[1]}/{name}")
print(opener.open(f"{sys.argv[1]}/see").read().decode(), end="")`;
tell("Python", (await run("/usr/bin/python3", ["-c", python, url, ...names])).stdout);
server.closeAllConnections();
server.close();
JS
out=$(timeout -k 5 90 node ask.mjs 2>&1)
echo "$out"
want='Chromium: date-behind date-behind-and-ended right
  right: 30 minutes
  date-behind: 90 minutes
  date-behind-and-ended: 30 minutes
curl: date-ahead date-behind right
wget: date-ahead date-behind right
tough-cookie: date-ahead date-behind right
Python: date-ahead date-behind right'
[ "$out" = "$want" ]
echo "as stated"

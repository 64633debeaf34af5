#!/usr/bin/env bash
# Chromium, cookieStore.onchange in a page that wants to notice when its session's cookie ends, is renewed or is removed by the server.
#
# A guess: an event for each change of a value, and one at the moment when a cookie's Max-Age is over.
# Behaviour: a cookie that is only renewed, the same value with a later end, is a change too, so a session that slides gives one each time.
# An end by Max-Age gives no event by itself: seconds later there is still none, and it comes when something reads the page's cookies, such
# as a request. So a quiet page learns of the end by nothing but its own clock. A removal by the server, in the answer to a fetch, is told
# at once.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1. Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >watch.mjs <<'JS'
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
const server = createServer((request, response) => {
  const cookie = decodeURIComponent(new URL(request.url, "http://localhost").search.slice(1));
  if (cookie) response.setHeader("Set-Cookie", `${cookie}; Path=/`);
  response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>");
});
await new Promise((done) => server.listen(0, "localhost", done));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage();
await page.goto(`http://localhost:${server.address().port}/`);
await page.evaluate(() => {
  window.seen = [];
  cookieStore.onchange = ({ changed, deleted }) => seen.push(...changed.map((c) => `${c.name}=${c.value}`), ...deleted.map((c) => `${c.name} gone`));
});
const tell = async (what) => {
  await sleep(1000);
  console.log(`${what}: ${(await page.evaluate(() => seen.splice(0))).join(", ") || "nothing"}`);
};
const set = (cookie) => page.evaluate(async (cookie) => (await fetch(`/?${encodeURIComponent(cookie)}`)).text(), cookie);
await set("csrf=1; Max-Age=3600");
await tell("set");
await set("csrf=1; Max-Age=3600");
await tell("renewed with the same value");
await set("csrf=; Max-Age=0");
await tell("removed by the server");
await set("csrf=2; Max-Age=5");
await tell("set for five seconds");
await sleep(12_000);
await tell("thirteen seconds later");
await page.evaluate(async () => (await fetch("/")).text());
await tell("after a request");
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout -k 5 120 node watch.mjs)
echo "$out"
want='set: csrf=1
renewed with the same value: csrf=1
removed by the server: csrf gone
set for five seconds: csrf=2
thirteen seconds later: nothing
after a request: csrf gone'
[ "$out" = "$want" ]
echo "as stated"

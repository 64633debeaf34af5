#!/usr/bin/env bash
# Chromium, and the Origin of a page's own POST under Referrer-Policy: no-referrer, which npm helmet sets without being asked.
#
# A guess: the policy is about Referer. Origin of a request to the page's own server is that server's, whatever way the page sends it.
# Behaviour: a plain form that is posted sends "Origin: null", with Sec-Fetch-Site: same-origin beside it; fetch (cors, same-origin and
# no-cors) and sendBeacon send the real one. Under "same-origin" and without a policy all of them do. So an app with helmet's defaults
# works with fetch, and its one form without script, such as the sign-out's, is refused by a server that compares Origin with its own.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1, and helmet 8.1.0 on Node 20. Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 helmet@8.1.0
cat >post.mjs <<'JS'
import { createServer } from "node:http";
import helmet from "helmet";
import { chromium } from "playwright-core";
const seen = {};
const protect = helmet();
const server = createServer((request, response) => {
  const { pathname, search } = new URL(request.url, "http://localhost");
  if (request.method === "POST") {
    const { origin, "sec-fetch-site": site } = request.headers;
    seen[search.slice(1)] = `${origin === "null" ? "null" : origin === base ? "own" : origin} (${site})`;
  }
  const page = () => response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,><form method=post action='/posted?form'><button>Send</button></form>");
  if (pathname === "/helmet") return protect(request, response, page);
  if (pathname === "/same-origin") response.setHeader("Referrer-Policy", "same-origin");
  page();
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const base = `http://localhost:${server.address().port}`;
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
for (const path of ["/helmet", "/same-origin", "/none"]) {
  const page = await browser.newPage();
  const answer = await page.goto(base + path);
  await page.evaluate(async () => {
    for (const mode of ["cors", "same-origin", "no-cors"]) await fetch(`/posted?fetch ${mode}`, { method: "POST", mode, body: "x" });
    navigator.sendBeacon("/posted?beacon", "x");
  });
  while (!seen.beacon) await new Promise((done) => setTimeout(done, 50));
  await Promise.all([page.waitForURL("**/posted?form"), page.click("button")]);
  console.log(`policy ${answer.headers()["referrer-policy"] ?? "unset"}: ${Object.entries(seen).map(([how, what]) => `${decodeURI(how)} ${what}`).join(", ")}`);
  for (const how of Object.keys(seen)) delete seen[how];
  await page.close();
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 300 node post.mjs)
echo "$out"
own="own (same-origin)"
rest="fetch cors $own, fetch same-origin $own, fetch no-cors $own, beacon $own"
want="policy no-referrer: $rest, form null (same-origin)
policy same-origin: $rest, form $own
policy unset: $rest, form $own"
[ "$out" = "$want" ]
echo "as stated"

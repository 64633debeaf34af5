#!/usr/bin/env bash
# Playwright, a page and the request object of its context, at http://localhost and at http://127.0.0.1, with a Secure session cookie.
#
# A guess: page and context.request share one set of cookies, so after a sign-in in the page both are signed in, wherever the test server
# listens.
# Behaviour: the set is shared, the rule isn't. Chromium trusts the whole loopback and sends Secure cookies to http://127.0.0.1;
# context.request sends them over plain http to localhost alone. At 127.0.0.1 the page is signed in and the request beside it isn't.
# addCookies with the server's http url refuses a cookie named __Host-, also with secure: true; with domain and path in place of url
# it accepts it.
#
# Seen with playwright-core 1.56.1 and Chromium 156. Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >ask.mjs <<'JS'
import { createServer } from "node:http";
import { chromium } from "playwright-core";
let cookies;
const server = createServer((request, response) => {
  cookies = request.headers.cookie ?? "none";
  if (request.url === "/sign-in") response.setHeader("Set-Cookie", ["__Host-sid=1; Path=/; Secure; HttpOnly", "plain=1; Path=/"]);
  response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>page");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
for (const host of ["localhost", "127.0.0.1"]) {
  const url = `http://${host}:${server.address().port}/`;
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url + "sign-in");
  await page.goto(url);
  console.log(`${host}, the page sends: ${cookies}`);
  await context.request.get(url);
  console.log(`${host}, context.request sends: ${cookies}`);
  const cookie = { name: "__Host-sid", value: "1", secure: true, httpOnly: true };
  for (const [where, place] of Object.entries({ url: { url }, "domain and path": { domain: host, path: "/" } })) {
    const fresh = await browser.newContext();
    const end = await fresh.addCookies([{ ...cookie, ...place }]).then(() => "accepted", () => "refused");
    console.log(`${host}, addCookies by ${where}: ${end}`);
    await fresh.close();
  }
  await context.close();
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='localhost, the page sends: __Host-sid=1; plain=1
localhost, context.request sends: __Host-sid=1; plain=1
localhost, addCookies by url: refused
localhost, addCookies by domain and path: accepted
127.0.0.1, the page sends: __Host-sid=1; plain=1
127.0.0.1, context.request sends: plain=1
127.0.0.1, addCookies by url: refused
127.0.0.1, addCookies by domain and path: accepted'
[ "$out" = "$want" ]
echo "as stated"

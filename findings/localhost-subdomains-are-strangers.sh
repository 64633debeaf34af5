#!/usr/bin/env bash
# Chromium, two host names below localhost: app.localhost with the page, api.localhost with the API.
#
# A guess: they are to localhost what app.example.com and api.example.com are to example.com: one site. So SameSite cookies go along,
# a cookie may be set for Domain=localhost, and a passkey made for localhost works on both.
# Behaviour: localhost counts as a public suffix. The two are cross-site: a fetch carries neither Lax nor Strict cookies, a cookie with
# Domain=localhost is refused without a word, and create() with the RP ID localhost is a SecurityError. One level deeper all of
# it works: a.app.localhost and b.app.localhost are one site, with app.localhost for the Domain and the RP ID.
#
# Seen with Chromium 156. Needs it at /usr/bin/chromium, or in CHROMIUM; driven by playwright-core 1.56.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >ask.mjs <<'JS'
import { createServer } from "node:http";
import { chromium } from "playwright-core";
let asked;
const server = createServer((request, response) => {
  if (request.url === "/api") asked = [request.headers["sec-fetch-site"], request.headers.cookie ?? "no cookies"].join(", ");
  response.setHeader("Access-Control-Allow-Origin", request.headers.origin ?? "*");
  response.setHeader("Access-Control-Allow-Credentials", "true");
  if (request.url.startsWith("/set")) {
    const parent = request.url.slice("/set?".length);
    response.setHeader("Set-Cookie", ["lax=1; Path=/; SameSite=Lax", "strict=1; Path=/; SameSite=Strict", `wide=1; Path=/; Domain=${parent}`]);
  }
  response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>page");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const at = (host, path) => `http://${host}:${server.address().port}${path}`;
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
console.log(`Chromium ${browser.version().split(".")[0]}`);
for (const [page, api, parent] of [["app.localhost", "api.localhost", "localhost"], ["a.app.localhost", "b.app.localhost", "app.localhost"]]) {
  const context = await browser.newContext();
  const tab = await context.newPage();
  const devtools = await context.newCDPSession(tab);
  await devtools.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
  await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  await tab.goto(at(api, `/set?${parent}`));
  await tab.goto(at(page, "/"));
  await tab.evaluate((url) => fetch(url, { credentials: "include" }), at(api, "/api"));
  console.log(`${page} asks ${api}: ${asked}`);
  const made = await tab.evaluate(
    (id) =>
      navigator.credentials
        .create({
          publicKey: {
            challenge: new Uint8Array(32),
            rp: { id, name: "test" },
            user: { id: new Uint8Array(8), name: "ada", displayName: "ada" },
            pubKeyCredParams: [{ type: "public-key", alg: -7 }],
          },
        })
        .then(() => "made", (error) => error.name),
    parent,
  );
  console.log(`${page}, a passkey for ${parent}: ${made}`);
  await context.close();
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='app.localhost asks api.localhost: cross-site, no cookies
app.localhost, a passkey for localhost: SecurityError
a.app.localhost asks b.app.localhost: same-site, lax=1; strict=1; wide=1
a.app.localhost, a passkey for app.localhost: made'
[ "$(tail -n +2 <<<"$out")" = "$want" ]
echo "as stated"

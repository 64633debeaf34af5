#!/usr/bin/env bash
# Chromium, and the Set-Cookie of answers that the page never gets: a fetch that is rejected, a cut body, a 304, a WebSocket's handshake.
#
# A guess: a fetch() that ends in a TypeError had no answer, so it sets no cookie; nor does a 304, which only says "as before".
# Behaviour: the cookie is kept as soon as the headers have arrived, whatever becomes of the answer: a redirect that
# redirect: "error" forbids, a body that is cut, an EventSource of the wrong type, a fetch aborted after its headers, a beacon, a 304,
# the 101 of a WebSocket. Of all that was tried, only credentials: "omit" keeps a cookie out. So a client that tells
# a person "you are not signed in" after a failed fetch can be wrong, and must ask the server.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1. Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >ask.mjs <<'JS'
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
const server = createServer((request, response) => {
  const path = request.url;
  response.setHeader("Content-Type", "text/html");
  if (path === "/") return response.end("<!doctype html><link rel=icon href=data:,>");
  if (path !== "/unchanged" || request.headers["if-none-match"]) response.setHeader("Set-Cookie", `${path.slice(1)}=1; Path=/; HttpOnly`);
  if (path === "/redirect") return response.writeHead(302, { Location: "/" }).end();
  if (path === "/unchanged") {
    response.setHeader("Cache-Control", "no-cache").setHeader("ETag", '"1"');
    if (request.headers["if-none-match"]) response.statusCode = 304;
    return response.end();
  }
  if (path === "/cut") {
    response.setHeader("Content-Length", "10").write("x");
    return setTimeout(() => response.destroy(), 200);
  }
  if (path === "/aborted") {
    response.write("x");
    return request.socket.once("close", () => response.end());
  }
  response.end("x");
});
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSet-Cookie: websocket=1; Path=/; HttpOnly\r\n\r\n`);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address();
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const page = await browser.newPage();
await page.goto(`http://localhost:${port}/`);
const asks = {
  redirect: () => fetch("/redirect", { redirect: "error" }).then((r) => `${r.status}`, (error) => error.name),
  cut: () => fetch("/cut").then((r) => r.text()).then(() => "read", (error) => error.name),
  aborted: async () => {
    const controller = new AbortController();
    await fetch("/aborted", { signal: controller.signal });
    controller.abort();
    return "aborted";
  },
  unchanged: () => fetch("/unchanged").then(() => fetch("/unchanged")).then((r) => `${r.status} for the page`),
  stream: () => new Promise((done) => (new EventSource("/stream").onerror = () => done("error"))),
  beacon: () => `${navigator.sendBeacon("/beacon", "x")}`,
  websocket: () => new Promise((done) => (new WebSocket(`ws://${location.host}/websocket`).onopen = () => done("open"))),
  omitted: () => fetch("/omitted", { credentials: "omit" }).then((r) => `${r.status}`),
};
for (const [name, ask] of Object.entries(asks)) {
  const end = await page.evaluate(ask);
  let kept = false;
  for (let tries = 0; tries < 20 && !kept; tries++) {
    kept = (await page.context().cookies()).some((cookie) => cookie.name === name);
    if (!kept) await new Promise((done) => setTimeout(done, 100));
  }
  console.log(`${name}: ${end}, ${kept ? "kept" : "not kept"}`);
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='redirect: TypeError, kept
cut: TypeError, kept
aborted: aborted, kept
unchanged: 200 for the page, kept
stream: error, kept
beacon: true, kept
websocket: open, kept
omitted: 200, not kept'
[ "$out" = "$want" ]
echo "as stated"

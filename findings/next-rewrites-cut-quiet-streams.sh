#!/usr/bin/env bash
# Next.js, rewrites() to an API of another server, and an event stream that is silent for a while.
#
# A guess: the stream stays open as long as both ends want it; an idle limit, if there is one, is the usual minute or more.
# Behaviour: after 30 seconds without a byte Next cuts the connection to the API and breaks off the browser's answer, so an EventSource
# connects again, twice a minute, for as long as the page is open. A comment line each 20 seconds keeps the stream.
# One each 40 seconds doesn't. The limit is experimental.proxyTimeout, which also cuts slow answers.
#
# Seen with next 16.4.6 in development and react 19.2.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export NEXT_TELEMETRY_DISABLED=1
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --silent --no-audit --no-fund next@16.4.6 react@19.2.0 react-dom@19.2.0
mkdir app
echo 'export default function Layout({ children }) { return <html><body>{children}</body></html>; }' >app/layout.js
echo 'export default function Page() { return <p>app</p>; }' >app/page.js
echo 'export default { rewrites: async () => [{ source: "/api/:path*", destination: process.env.API + "/api/:path*" }] };' >next.config.mjs
cat >ask.mjs <<'JS'
import http from "node:http";
import next from "next";
const ends = {};
const api = http.createServer((request, response) => {
  const every = Number(request.url.split("/").pop());
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform" }).write("data: first\n\n");
  const beat = every && setInterval(() => response.write(":\n\n"), every * 1000);
  response.on("close", () => {
    clearInterval(beat);
    ends[every] ??= "cut at the API";
  });
});
await new Promise((done) => api.listen(0, "127.0.0.1", done));
process.env.API = `http://127.0.0.1:${api.address().port}`;
const app = next({ dev: true, dir: ".", hostname: "127.0.0.1", port: 3000 });
await app.prepare();
const server = http.createServer(app.getRequestHandler());
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address();
const open = (every) => new Promise((done, fail) => {
  http.get({ host: "127.0.0.1", port, path: `/api/events/${every}` }, (response) => {
    response.once("data", () => setTimeout(() => done(`${every ? `a comment each ${every} s` : "silent"}: ${ends[every] ?? "open after 70 s"}, the answer ${response.complete ? "is complete" : response.destroyed ? "is broken off" : "goes on"}`), 70_000));
    response.on("error", () => {}).resume();
  }).on("error", fail);
});
console.log((await Promise.all([0, 20, 40].map(open))).join("\n"));
process.exit(0);
JS
timeout 200 node ask.mjs >log 2>&1 || { cat log >&2; exit 1; }
out=$(grep -E '^(silent|a comment)' log)
echo "$out"
want='silent: cut at the API, the answer is broken off
a comment each 20 s: open after 70 s, the answer goes on
a comment each 40 s: cut at the API, the answer is broken off'
[ "$out" = "$want" ]
echo "as stated"

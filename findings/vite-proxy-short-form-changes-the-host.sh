#!/usr/bin/env bash
# Vite's development proxy, written in the short form and in the long one, and the Host that the API sees.
#
# A guess: proxy: { "/api": "http://localhost:8000" } is short for { "/api": { target: "http://localhost:8000" } }.
# Behaviour: the short form also sets changeOrigin, so the API sees its own address in Host; in the long form it sees the development
# server's. Origin stays the development server's in both. So in the short form Host and Origin differ, which a check against forged
# requests that compares them refuses, and in the long form an API that knows its own names alone doesn't know this one. Who adds an option
# such as ws: true to a working proxy turns the short form into the long one, and breaks it.
#
# Seen with vite 8.4.0, 7.2.4 and 5.4.21 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund vite8@npm:vite@8.4.0 vite7@npm:vite@7.2.4 vite5@npm:vite@5.4.21
cat >ask.mjs <<'JS'
import { mkdirSync } from "node:fs";
import http from "node:http";
const api = http.createServer((request, response) => response.end(JSON.stringify([request.headers.host, request.headers.origin])));
await new Promise((done) => api.listen(0, "127.0.0.1", done));
const target = `http://127.0.0.1:${api.address().port}`;
mkdirSync("app");
for (const version of ["vite8", "vite7", "vite5"]) {
  const { createServer } = await import(version);
  for (const [form, proxy] of Object.entries({ short: target, long: { target } })) {
    const server = await createServer({ root: "app", configFile: false, logLevel: "silent", server: { host: "127.0.0.1", port: 0, proxy: { "/api": proxy } } });
    await server.listen();
    const own = `127.0.0.1:${server.httpServer.address().port}`;
    const [host, origin] = await new Promise((done, fail) => {
      const request = http.request(`http://${own}/api`, { method: "POST", headers: { Origin: `http://${own}` } }, async (response) => done(JSON.parse((await response.toArray()).join(""))));
      request.on("error", fail).end();
    });
    console.log(`${version}, ${form}: Host is ${host === own ? "Vite's" : "the API's"}, Origin is ${origin.endsWith(own) ? "Vite's" : "the API's"}`);
    await server.close();
  }
}
process.exit(0);
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want="vite8, short: Host is the API's, Origin is Vite's
vite8, long: Host is Vite's, Origin is Vite's
vite7, short: Host is the API's, Origin is Vite's
vite7, long: Host is Vite's, Origin is Vite's
vite5, short: Host is the API's, Origin is Vite's
vite5, long: Host is Vite's, Origin is Vite's"
[ "$out" = "$want" ]
echo "as stated"

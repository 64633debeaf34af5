#!/usr/bin/env bash
# A browser that leaves a page with an open EventSource, and the API's end of that stream behind proxies that run in Node programs.
#
# A guess: when the browser has gone, the proxy closes its connection to the API, and the stream ends there within moments.
# Behaviour: most do. Behind proxyRequest() of h3 1, which Nuxt 3 and Nitro 2 have, and behind koa-proxies the API writes on to no one: both
# keep their side open and read on. Each reload leaves one more stream, until the limit of streams for a session or of connections
# is reached; a heartbeat doesn't find out, because the proxy takes it.
#
# Seen with h3 1.15.4 and 2.0.8, koa-proxies 0.12.4 on koa 3.3.0, http-proxy-middleware 4.2.2, hono 4.13.19 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund hono@4.13.19 @hono/node-server@2.1.9 h31@npm:h3@1.15.4 h32@npm:h3@2.0.8 \
  http-proxy-middleware@4.2.2 express@5.3.0 koa-proxies@0.12.4 koa@3.3.0
cat >ask.mjs <<'JS'
import http from "node:http";
import { serve } from "@hono/node-server";
import express from "express";
import { createApp, eventHandler, proxyRequest, toNodeListener } from "h31";
import { H3, proxyRequest as proxyRequest2 } from "h32";
import { toNodeHandler } from "h32/node";
import { Hono } from "hono";
import { proxy } from "hono/proxy";
import { createProxyMiddleware } from "http-proxy-middleware";
import Koa from "koa";
import koaProxies from "koa-proxies";
let ended;
let streams = 0;
let written = 0; // to the latest stream
const api = http.createServer((request, response) => {
  const number = ++streams;
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform" }).write(": open\n\n");
  const beat = setInterval(() => response.write(": beat\n\n", () => number === streams && written++), 100);
  response.on("close", () => {
    clearInterval(beat);
    ended?.("ended");
  });
});
await new Promise((done) => api.listen(0, "127.0.0.1", done));
const target = `http://127.0.0.1:${api.address().port}`;
const ports = {};
async function listen(name, handler) {
  const server = http.createServer(handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  ports[name] = server.address().port;
}
await listen("http-proxy-middleware", express().use(createProxyMiddleware({ target, pathFilter: "/api" })));
await new Promise((done) => {
  const app = new Hono().all("/api/*", (c) => proxy(target + c.req.path, { ...c.req, headers: { ...c.req.header() } }));
  serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => done((ports["hono/proxy"] = port)));
});
await listen("h3 2", toNodeHandler(new H3().use((event) => proxyRequest2(event, target + event.url.pathname))));
await listen("h3 1", toNodeListener(createApp().use(eventHandler((event) => proxyRequest(event, target + event.path)))));
const koa = new Koa().use(koaProxies("/api", { target }));
koa.silent = true;
await listen("koa-proxies", koa.callback());
for (const [name, port] of Object.entries(ports)) {
  const end = new Promise((done) => (ended = done));
  await new Promise((done, fail) => {
    const request = http.get({ host: "127.0.0.1", port, path: "/api/events", headers: { Accept: "text/event-stream" } }, (response) => {
      response.on("error", () => {}).once("data", () => done(request.destroy()));
    });
    request.on("error", fail);
  });
  const after = await Promise.race([end, new Promise((done) => setTimeout(() => done("is open after ten seconds"), 10_000))]);
  const before = written;
  await new Promise((done) => setTimeout(done, 1_000));
  console.log(`${name}: the API's stream ${after}${after === "ended" ? "" : written > before ? ", and is written to" : ", and stands still"}`);
}
process.exit(0);
JS
out=$(timeout 120 node ask.mjs 2>errors || { cat errors >&2; exit 1; })
echo "$out"
want='http-proxy-middleware: the API'"'"'s stream ended
hono/proxy: the API'"'"'s stream ended
h3 2: the API'"'"'s stream ended
h3 1: the API'"'"'s stream is open after ten seconds, and is written to
koa-proxies: the API'"'"'s stream is open after ten seconds, and is written to'
[ "$out" = "$want" ]
echo "as stated"

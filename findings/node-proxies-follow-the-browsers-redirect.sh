#!/usr/bin/env bash
# A sign-in that starts with a redirect and a cookie (GET /api/start: 302, Set-Cookie, Location), behind proxies that run in Node programs.
#
# A guess: a proxy hands a 302 to the browser; to follow it is the browser's part.
# Behaviour: those built on http do, and so does h3 2. hono's proxy() and proxyRequest() of h3 1, which Nuxt 3 and Nitro 2 have, are built on
# fetch and leave its redirect: "follow" alone: the proxy itself goes to the new address, without the cookie that came with the
# redirect, and the browser gets the last answer as 200 of the first address. A sign-in at a provider so ends in the proxy, and the cookie
# that should find the attempt again is lost.
#
# Seen with hono 4.13.19, h3 1.15.4 and 2.0.8, http-proxy-middleware 4.2.2, express-http-proxy 2.1.2, @fastify/http-proxy 11.6.3, Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund hono@4.13.19 @hono/node-server@2.1.9 h31@npm:h3@1.15.4 h32@npm:h3@2.0.8 \
  http-proxy-middleware@4.2.2 express-http-proxy@2.1.2 express@5.3.0 @fastify/http-proxy@11.6.3 fastify@5.12.8
cat >ask.mjs <<'JS'
import http from "node:http";
import fastifyProxy from "@fastify/http-proxy";
import { serve } from "@hono/node-server";
import express from "express";
import expressHttpProxy from "express-http-proxy";
import fastify from "fastify";
import { createApp, eventHandler, proxyRequest, toNodeListener } from "h31";
import { H3, proxyRequest as proxyRequest2 } from "h32";
import { toNodeHandler } from "h32/node";
import { Hono } from "hono";
import { proxy } from "hono/proxy";
import { createProxyMiddleware } from "http-proxy-middleware";
const api = http.createServer((request, response) => {
  if (request.url === "/api/start") response.writeHead(302, { Location: "/api/provider", "Set-Cookie": "attempt=1; Path=/" });
  response.end();
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
await listen("express-http-proxy", express().use("/api", expressHttpProxy(target, { proxyReqPathResolver: (request) => request.originalUrl })));
const withFastify = fastify();
withFastify.register(fastifyProxy, { upstream: target, prefix: "/api", rewritePrefix: "/api" });
await withFastify.listen({ host: "127.0.0.1", port: 0 });
ports["@fastify/http-proxy"] = withFastify.server.address().port;
await listen("h3 2", toNodeHandler(new H3().use((event) => proxyRequest2(event, target + event.url.pathname))));
await listen("h3 1", toNodeListener(createApp().use(eventHandler((event) => proxyRequest(event, target + event.path)))));
await new Promise((done) => {
  const app = new Hono().all("/api/*", (c) => proxy(target + c.req.path, { ...c.req, headers: { ...c.req.header() } }));
  serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => done((ports["hono/proxy"] = port)));
});
for (const [name, port] of Object.entries(ports)) {
  const { statusCode, headers } = await new Promise((done, fail) => http.get({ host: "127.0.0.1", port, path: "/api/start" }, done).on("error", fail));
  console.log(`${name}: ${statusCode}, to ${headers.location ?? "nowhere"}, cookie ${headers["set-cookie"] ?? "lost"}`);
}
process.exit(0);
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='http-proxy-middleware: 302, to /api/provider, cookie attempt=1; Path=/
express-http-proxy: 302, to /api/provider, cookie attempt=1; Path=/
@fastify/http-proxy: 302, to /api/provider, cookie attempt=1; Path=/
h3 2: 302, to /api/provider, cookie attempt=1; Path=/
h3 1: 200, to nowhere, cookie lost
hono/proxy: 200, to nowhere, cookie lost'
[ "$out" = "$want" ]
echo "as stated"

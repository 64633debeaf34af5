#!/usr/bin/env bash
# Server-sent events of an API behind development servers: webpack-dev-server's proxy, Vite's, and http-proxy-middleware.
#
# A guess: what a development server passes on from the API it passes on as it comes; text/event-stream is known to all of them.
# Behaviour: Vite and http-proxy-middleware do. webpack-dev-server compresses by itself (compress is true), takes the stream for a text
# worth it and keeps everything back, the headers too, until there is enough: an EventSource doesn't even open. "X-Accel-Buffering: no" means
# nothing to it; "Cache-Control: no-transform" from the API lets the events through at once.
#
# Seen with webpack-dev-server 6.1.0, vite 8.4.0 and http-proxy-middleware 4.2.2 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund webpack-dev-server@6.1.0 webpack@5.103.0 vite@8.4.0 http-proxy-middleware@4.2.2 express@5.1.0
cat >ask.mjs <<'JS'
import { mkdirSync, writeFileSync } from "node:fs";
import http from "node:http";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";
import { createServer as vite } from "vite";
import webpack from "webpack";
import WebpackDevServer from "webpack-dev-server";
const api = http.createServer((request, response) => {
  const more = { "/api/plain": {}, "/api/accel": { "X-Accel-Buffering": "no" }, "/api/no-transform": { "Cache-Control": "no-transform" } }[request.url];
  response.writeHead(200, { "Content-Type": "text/event-stream", ...more }).write("data: first\n\n");
});
await new Promise((done) => api.listen(0, "127.0.0.1", done));
const target = `http://127.0.0.1:${api.address().port}`;
mkdirSync("app");
writeFileSync("app/index.html", "<!doctype html>");
writeFileSync("app/index.js", "");
const fromVite = await vite({ root: "app", configFile: false, logLevel: "silent", server: { host: "127.0.0.1", port: 0, proxy: { "/api": { target } } } });
await fromVite.listen();
const compiler = webpack({ mode: "development", entry: "./app/index.js", stats: "none", infrastructureLogging: { level: "none" } });
const fromWebpack = new WebpackDevServer({ host: "127.0.0.1", port: "auto", client: false, hot: false, proxy: [{ context: ["/api"], target }] }, compiler);
await fromWebpack.start();
const app = express().use(createProxyMiddleware({ target, pathFilter: "/api" }));
const middleware = await new Promise((done) => { const server = app.listen(0, "127.0.0.1", () => done(server)); });
const ports = { vite: fromVite.httpServer.address().port, "http-proxy-middleware": middleware.address().port, "webpack-dev-server": fromWebpack.server.address().port };
for (const [name, port] of Object.entries(ports)) {
  for (const path of ["/api/plain", "/api/accel", "/api/no-transform"]) {
    const headers = { Accept: "text/event-stream", "Accept-Encoding": "gzip, deflate, br" };
    const seen = await new Promise((done) => {
      const request = http.get({ host: "127.0.0.1", port, path, headers }, (response) => response.on("error", () => {}).once("data", () => done("the event came")));
      request.on("error", () => {});
      setTimeout(() => done("no headers in ten seconds"), 10_000);
    });
    console.log(`${name} ${path}: ${seen}`);
  }
}
process.exit(0);
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='vite /api/plain: the event came
vite /api/accel: the event came
vite /api/no-transform: the event came
http-proxy-middleware /api/plain: the event came
http-proxy-middleware /api/accel: the event came
http-proxy-middleware /api/no-transform: the event came
webpack-dev-server /api/plain: no headers in ten seconds
webpack-dev-server /api/accel: no headers in ten seconds
webpack-dev-server /api/no-transform: the event came'
[ "$out" = "$want" ]
echo "as stated"

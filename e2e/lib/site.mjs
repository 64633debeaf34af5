// Other sites: pages on another port, reached as 127.0.0.1 or as localhost.

import { execFile } from "node:child_process";
import http from "node:http";
import https from "node:https";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

/** Listens on a free port, and returns it. It listens only on IPv4, which browsers also try for localhost. */
async function listen(t, site) {
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    site.closeAllConnections();
    return new Promise((resolve) => site.close(resolve));
  });
  return site.address().port;
}

/**
 * Serves `pages` (path → HTML or {type, body}) and returns the port. The page "*" is for all other paths. Without `cached`, no page may
 * be kept.
 */
export const startSite = (t, pages, { cached = false } = {}) =>
  listen(t, http.createServer((request, response) => {
    const found = pages[new URL(request.url, "http://site").pathname] ?? pages["*"];
    if (found === undefined) return response.writeHead(404).end();
    const { type = "text/html; charset=utf-8", body = found } = typeof found === "string" ? {} : found;
    response.writeHead(200, { "Content-Type": type, ...(!cached && { "Cache-Control": "no-store" }) }).end(body);
  }));

/**
 * Passes https requests on by their host name: `hosts` has a port of this machine for each. Returns flags with which the browser asks here for
 * each host below test, and trusts the certificate.
 */
export async function startTLS(t, hosts) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "cloakroom-tls-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const run = promisify(execFile);
  const { stdout: go } = await run("go", ["env", "GOROOT"]);
  await run("go", ["run", path.join(go.trim(), "src/crypto/tls/generate_cert.go"), "--ecdsa-curve", "P256", "--host", Object.keys(hosts).join()], { cwd: folder });
  const [cert, key] = await Promise.all(["cert.pem", "key.pem"].map((name) => readFile(path.join(folder, name))));
  const port = await listen(t, https.createServer({ cert, key }, (request, response) => {
    const { url: path, method, headers } = request;
    const on = http.request({ host: "127.0.0.1", port: hosts[headers.host], path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    on.on("error", () => response.destroy());
    request.pipe(on);
  }));
  return [`--host-resolver-rules=MAP *.test:443 127.0.0.1:${port}`, "--ignore-certificate-errors"];
}

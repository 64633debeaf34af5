// A proxy that speaks https in front of a server, as in production. A test can make it fail.

import { execFile } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

/** A certificate for hosts, signed by itself. `flag` lets Chromium trust it: with certificate errors it binds no sessions. */
export async function makeCertificate(...hosts) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "cloakroom-tls-"));
  try {
    const [key, cert] = [path.join(folder, "key"), path.join(folder, "cert")];
    await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
      "-days", "2", "-subj", `/CN=${hosts[0]}`, "-addext", `subjectAltName=${hosts.map((host) => `DNS:${host}`).join()}`]);
    const pem = { key: await readFile(key), cert: await readFile(cert) };
    const spki = new X509Certificate(pem.cert).publicKey.export({ type: "spki", format: "der" });
    return { ...pem, flag: `--ignore-certificate-errors-spki-list=${createHash("sha256").update(spki).digest("base64")}` };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Starts the proxy, and stops it when the test or suite `t` ends. Set `to` to the address of the server. `seen` has a line for each request, and
 * `fail` may return the status with which a request is answered instead.
 */
export async function startProxy(t, certificate) {
  const proxy = { to: "", seen: [], fail: () => undefined, port: 0 };
  const server = https.createServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    const path = new URL(request.url, "http://x").pathname;
    proxy.seen.push(`${request.method} ${path}`);
    const failed = proxy.fail(path);
    if (failed) return response.writeHead(failed).end();
    const { hostname, port } = new URL(proxy.to);
    const headers = { ...request.headers, "x-forwarded-for": request.socket.remoteAddress, "x-forwarded-proto": "https" };
    const onward = http.request({ hostname, port, method: request.method, path: request.url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on("error", () => response.headersSent ? response.destroy() : response.writeHead(502).end());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.port = server.address().port;
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}

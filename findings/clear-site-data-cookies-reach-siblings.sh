#!/usr/bin/env bash
# Chromium and Clear-Site-Data at a sign-out: which hosts lose what.
#
# A guess: the header clears what belongs to the origin that sends it, and a __Host- cookie of another host stays in any case.
# Behaviour: "cookies" empties the whole registrable domain: a sign-out at a.example.test signs the person out at b.example.test
# too, __Host- cookies included, and takes the cookies of Domain=example.test. "storage" keeps to the origin. In the answer to a fetch with
# credentials: "omit" both are ignored without a word.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1. Needs openssl, and a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out certificate.pem -days 3 -subj /CN=test \
  -addext "subjectAltName=DNS:a.example.test,DNS:b.example.test" 2>/dev/null
pin=$(openssl x509 -in certificate.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
cat >ask.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { chromium } from "playwright-core";
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("certificate.pem") }, (request, response) => {
  response.setHeader("Content-Type", "text/html");
  if (request.url === "/set") response.setHeader("Set-Cookie", ["__Host-sid=1; Path=/; Secure; HttpOnly", "all=1; Domain=example.test; Path=/; Secure"]);
  if (request.url === "/cookies" || request.url === "/storage") response.setHeader("Clear-Site-Data", `"${request.url.slice(1)}"`);
  response.end("<!doctype html><link rel=icon href=data:,>");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address();
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
args.push("--host-resolver-rules=MAP *.example.test 127.0.0.1", `--ignore-certificate-errors-spki-list=${process.argv[2]}`);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const page = await browser.newPage();
const go = (host, path) => page.goto(`https://${host}.example.test:${port}${path}`);
for (const credentials of ["omit", "same-origin"]) {
  for (const what of ["cookies", "storage"]) {
    for (const host of ["b", "a"]) {
      await go(host, "/set");
      await page.evaluate(() => localStorage.setItem("kept", "1"));
    }
    await page.evaluate(([path, credentials]) => fetch(path, { credentials }).then((r) => r.text()), [`/${what}`, credentials]);
    const left = (await page.context().cookies()).map((cookie) => `${cookie.name} of ${cookie.domain}`).sort();
    for (const host of ["a", "b"]) {
      await go(host, "/");
      if (await page.evaluate(() => localStorage.getItem("kept"))) left.push(`storage of ${host}`);
    }
    console.log(`a sends "${what}", fetched with ${credentials}: left are ${left.join(", ")}`);
  }
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node ask.mjs "$pin")
echo "$out"
all='__Host-sid of a.example.test, __Host-sid of b.example.test, all of .example.test'
want="a sends \"cookies\", fetched with omit: left are $all, storage of a, storage of b
a sends \"storage\", fetched with omit: left are $all, storage of a, storage of b
a sends \"cookies\", fetched with same-origin: left are storage of a, storage of b
a sends \"storage\", fetched with same-origin: left are $all, storage of b"
[ "$out" = "$want" ]
echo "as stated"

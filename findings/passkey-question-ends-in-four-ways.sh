#!/usr/bin/env bash
# Chromium, navigator.credentials.get() and create() that are given up by a signal: with which error the promise is rejected.
#
# A guess: whatever ended it, an aborted question is an AbortError, and one whose time is over or which the person closed is a
# NotAllowedError; a page that takes these two for "no" shows no message.
# Behaviour: the promise is rejected with the signal's reason, whatever that is. AbortSignal.timeout() gives a TimeoutError, which looks
# like a fault, while the timeout of the options gives NotAllowedError; abort("text") rejects with a bare string, so error.name is
# undefined. A page must look at signal.aborted, and not at the name.
#
# Seen with Chromium 156, driven by playwright-core 1.56.1. Needs a Chromium at /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >ask.mjs <<'JS'
import { createServer } from "node:http";
import { chromium } from "playwright-core";
const server = createServer((request, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>"));
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const page = await browser.newPage();
await page.goto(`http://localhost:${server.address().port}/`);
const devtools = await page.context().newCDPSession(page);
await devtools.send("WebAuthn.enable");
const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, automaticPresenceSimulation: false };
await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
const ends = await page.evaluate(async () => {
  const challenge = new Uint8Array(32);
  const user = { id: new Uint8Array(8), name: "ada", displayName: "ada" };
  const creation = { challenge, rp: { name: "test" }, user, pubKeyCredParams: [{ type: "public-key", alg: -7 }] };
  const aborted = (reason) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 300);
    return controller.signal;
  };
  const questions = {
    "abort()": () => navigator.credentials.get({ publicKey: { challenge }, signal: aborted() }),
    'abort("text")': () => navigator.credentials.get({ publicKey: { challenge }, signal: aborted("text") }),
    "AbortSignal.timeout(300)": () => navigator.credentials.get({ publicKey: { challenge }, signal: AbortSignal.timeout(300) }),
    "the same for autofill": () => navigator.credentials.get({ mediation: "conditional", publicKey: { challenge }, signal: AbortSignal.timeout(300) }),
    "the same for create()": () => navigator.credentials.create({ publicKey: creation, signal: AbortSignal.timeout(300) }),
    "timeout in the options": () => navigator.credentials.get({ publicKey: { challenge, timeout: 300 } }),
  };
  const lines = [];
  for (const [what, ask] of Object.entries(questions)) {
    lines.push(`${what}: ${await ask().then(() => "answered", (error) => (typeof error === "string" ? "a string" : error.name))}`);
  }
  return lines;
});
console.log(ends.join("\n"));
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='abort(): AbortError
abort("text"): a string
AbortSignal.timeout(300): TimeoutError
the same for autofill: TimeoutError
the same for create(): TimeoutError
timeout in the options: NotAllowedError'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# Chromium's virtual authenticator, and passkey autofill on a page that forgot the field for it.
#
# A guess: navigator.credentials.get({mediation: "conditional"}) waits for a person who picks a passkey in a field with
# autocomplete="username webauthn"; without such a field it waits for ever, also in a test.
# Behaviour: with a virtual authenticator that holds a passkey the promise is answered at once: without any field, with one that
# lacks "webauthn", and with one that nothing has touched. So a test of autofill passes on a page where no person is ever offered a
# passkey; it has to look at the field's attribute by itself.
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
const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
const fields = { "no field": "", "a field without webauthn": '<input autocomplete="username">', "a field that nothing touched": '<input autocomplete="username webauthn">' };
for (const [what, html] of Object.entries(fields)) {
  const end = await page.evaluate(async (html) => {
    document.body.innerHTML = html;
    const challenge = new Uint8Array(32);
    const user = { id: new Uint8Array(8), name: "ada", displayName: "ada" };
    const authenticatorSelection = { residentKey: "required" };
    await navigator.credentials.create({ publicKey: { challenge, rp: { name: "test" }, user, authenticatorSelection, pubKeyCredParams: [{ type: "public-key", alg: -7 }] } });
    const asked = navigator.credentials.get({ mediation: "conditional", publicKey: { challenge } });
    const waits = new Promise((done) => setTimeout(() => done("waits"), 10_000));
    return Promise.race([asked.then(() => "answered", (error) => error.name), waits]);
  }, html);
  console.log(`${what}: ${end}`);
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node ask.mjs)
echo "$out"
want='no field: answered
a field without webauthn: answered
a field that nothing touched: answered'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# Chromium, a sign-in whose allowCredentials names the transports of a passkey wrongly, as a list does that was stored by hand or for another key.
#
# A guess: transports are a hint, as the standard says; a key that is plugged in or built in is found all the same. The same list in
# excludeCredentials works the same way.
# Behaviour: an authenticator that isn't reached by one of the named ways isn't asked at all, and the question ends with the time that it has, with
# NotAllowedError, as if the person had said no. An empty list, and one that holds only words Chromium doesn't know ("USB" in capitals), are as
# if absent. In excludeCredentials the list really is a hint: the key is found with any. So a server that has lost the transports must
# leave them out.
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
for (const transport of ["internal", "usb"]) {
  const page = await browser.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport, hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
  await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  const lines = await page.evaluate(async () => {
    const challenge = new Uint8Array(32);
    const creation = (id, more) => ({ challenge, rp: { name: "test" }, user: { id: new Uint8Array(id), name: "ada", displayName: "ada" }, pubKeyCredParams: [{ type: "public-key", alg: -7 }], ...more });
    const made = await navigator.credentials.create({ publicKey: creation(8) });
    const named = (transports) => ({ type: "public-key", id: made.rawId, ...(transports && { transports }) });
    const lines = [];
    for (const transports of [undefined, [], ["USB"], ["internal"], ["usb"], ["nfc"], ["internal", "usb"]]) {
      const question = { challenge, allowCredentials: [named(transports)], timeout: 10000 };
      lines.push(`get ${JSON.stringify(transports) ?? "without"}: ${await navigator.credentials.get({ publicKey: question }).then(() => "found", (error) => error.name)}`);
    }
    for (const transports of [undefined, ["internal"], ["usb"]]) {
      const question = creation(9, { excludeCredentials: [named(transports)] });
      lines.push(`exclude ${JSON.stringify(transports) ?? "without"}: ${await navigator.credentials.create({ publicKey: question }).then(() => "made again", (error) => (error.name === "InvalidStateError" ? "found" : error.name))}`);
    }
    return lines;
  });
  for (const line of lines) console.log(`${transport}, ${line}`);
  await page.close();
}
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 400 node ask.mjs)
echo "$out"
want='internal, get without: found
internal, get []: found
internal, get ["USB"]: found
internal, get ["internal"]: found
internal, get ["usb"]: NotAllowedError
internal, get ["nfc"]: NotAllowedError
internal, get ["internal","usb"]: found
internal, exclude without: found
internal, exclude ["internal"]: found
internal, exclude ["usb"]: found
usb, get without: found
usb, get []: found
usb, get ["USB"]: found
usb, get ["internal"]: NotAllowedError
usb, get ["usb"]: found
usb, get ["nfc"]: NotAllowedError
usb, get ["internal","usb"]: found
usb, exclude without: found
usb, exclude ["internal"]: found
usb, exclude ["usb"]: found'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# Chromium's PublicKeyCredential.parseCreationOptionsFromJSON and parseRequestOptionsFromJSON: members that are null, as servers write
# them whose language has null for "nothing here" (a nil slice in Go, None in Python, null in Java).
#
# A guess: null is an absent member.
# Behaviour: each member has a way of its own. A list (excludeCredentials, allowCredentials, transports, hints) is a TypeError while the options
# are read. timeout becomes 0, and the question ends with NotAllowedError, as if the person had said no. The RP ID becomes the text "null", and
# create() is a SecurityError about domains. attestation, authenticatorSelection with all that is in it, userVerification and extensions
# are as if absent. So a server must leave members out (omitempty in Go) and not write null.
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
const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
const lines = await page.evaluate(async () => {
  const lines = [];
  const challenge = "AAAAAAAAAAAAAAAAAAAAAA";
  const ask = async (what, question) => lines.push(`${what}: ${await question().then(() => "done", (error) => error.name)}`);
  const create = (change) => async () => {
    const json = { challenge, rp: { id: "localhost", name: "test" }, user: { id: "AAAA", name: "ada", displayName: "ada" }, pubKeyCredParams: [{ type: "public-key", alg: -7 }] };
    change(json);
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json) });
  };
  const get = (change) => async () => {
    const json = { challenge, rpId: "localhost", allowCredentials: [{ type: "public-key", id: made.id }] };
    change(json);
    return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json) });
  };
  const made = await create(() => {})();
  for (const name of ["attestation", "authenticatorSelection", "extensions", "timeout", "excludeCredentials", "hints"]) {
    await ask(`create, ${name}`, create((json) => (json[name] = null)));
  }
  await ask("create, rp.id", create((json) => (json.rp.id = null)));
  await ask("create, members of authenticatorSelection", create((json) => (json.authenticatorSelection = { authenticatorAttachment: null, residentKey: null, userVerification: null })));
  await ask("get, nothing", get(() => {}));
  for (const name of ["userVerification", "extensions", "timeout", "rpId", "allowCredentials", "hints"]) {
    await ask(`get, ${name}`, get((json) => (json[name] = null)));
  }
  await ask("get, transports", get((json) => (json.allowCredentials[0].transports = null)));
  return lines;
});
console.log(lines.join("\n"));
await browser.close();
server.closeAllConnections();
server.close();
JS
out=$(timeout 300 node ask.mjs)
echo "$out"
want='create, attestation: done
create, authenticatorSelection: done
create, extensions: done
create, timeout: NotAllowedError
create, excludeCredentials: TypeError
create, hints: TypeError
create, rp.id: SecurityError
create, members of authenticatorSelection: done
get, nothing: done
get, userVerification: done
get, extensions: done
get, timeout: NotAllowedError
get, rpId: SecurityError
get, allowCredentials: TypeError
get, hints: TypeError
get, transports: TypeError'
[ "$out" = "$want" ]
echo "as stated"

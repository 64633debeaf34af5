#!/usr/bin/env bash
# npm @simplewebauthn/server, everything by default, and a security key that has no PIN.
#
# A guess: what generateRegistrationOptions and generateAuthenticationOptions ask for by default is what the two verify functions demand by default.
# Behaviour: the options say userVerification "preferred", which such a key need not follow, and the browser returns a good answer. The verify functions
# have requireUserVerification: true by default, and reject with an error, at the registration and at each sign-in, after the person
# has touched the key. A server must say both: userVerification "required" in the options, so that the browser asks for a PIN or
# refuses the key at once, or requireUserVerification: false.
#
# Seen with @simplewebauthn/server 14.0.3 on Node 20 and Chromium 156, driven by playwright-core 1.56.1. Needs a Chromium at
# /usr/bin/chromium, or in CHROMIUM.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1 @simplewebauthn/server@14.0.3
cat >key.mjs <<'JS'
import { createServer } from "node:http";
import * as server from "@simplewebauthn/server";
import { chromium } from "playwright-core";
const site = createServer((request, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><link rel=icon href=data:,>"));
await new Promise((done) => site.listen(0, "127.0.0.1", done));
const expectedOrigin = `http://localhost:${site.address().port}`;
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
const page = await browser.newPage();
await page.goto(expectedOrigin);
const devtools = await page.context().newCDPSession(page);
await devtools.send("WebAuthn.enable");
const key = { protocol: "ctap2", transport: "usb", hasResidentKey: false, hasUserVerification: false };
await devtools.send("WebAuthn.addVirtualAuthenticator", { options: key });
const expected = { expectedOrigin, expectedRPID: "localhost" };
const lines = [];
const judge = async (what, ask) => lines.push(`${what}: ${await ask().then(({ verified }) => (verified ? "verified" : "not verified"), (error) => `error, ${error.message}`)}`);

const creation = await server.generateRegistrationOptions({ rpName: "test", rpID: "localhost", userName: "ada" });
lines.push(`registration asks: ${creation.authenticatorSelection.userVerification}`);
const made = await page.evaluate(async (json) => (await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json) })).toJSON(), creation);
const registration = { ...expected, response: made, expectedChallenge: creation.challenge };
await judge("registration by default", () => server.verifyRegistrationResponse(registration));
await judge("registration, requireUserVerification false", () => server.verifyRegistrationResponse({ ...registration, requireUserVerification: false }));
const { registrationInfo } = await server.verifyRegistrationResponse({ ...registration, requireUserVerification: false });

const question = await server.generateAuthenticationOptions({ rpID: "localhost", allowCredentials: [{ id: made.id, transports: made.response.transports }] });
lines.push(`sign-in asks: ${question.userVerification}`);
const shown = await page.evaluate(async (json) => (await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json) })).toJSON(), question);
const signIn = { ...expected, response: shown, expectedChallenge: question.challenge, credential: registrationInfo.credential };
await judge("sign-in by default", () => server.verifyAuthenticationResponse(signIn));
await judge("sign-in, requireUserVerification false", () => server.verifyAuthenticationResponse({ ...signIn, requireUserVerification: false }));
console.log(lines.join("\n"));
await browser.close();
site.closeAllConnections();
site.close();
JS
out=$(timeout 300 node key.mjs)
echo "$out"
want='registration asks: preferred
registration by default: error, User verification was required, but user could not be verified
registration, requireUserVerification false: verified
sign-in asks: preferred
sign-in by default: error, User verification required, but user could not be verified
sign-in, requireUserVerification false: verified'
[ "$out" = "$want" ]
echo "as stated"

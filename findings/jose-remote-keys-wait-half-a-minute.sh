#!/usr/bin/env bash
# npm jose, createRemoteJWKSet, and jwks-rsa: a token signed with a key that the issuer has published a moment ago.
#
# A guess: an unknown kid makes the verifier fetch the keys again, so an issuer may sign with a new key as soon as it is published.
# Behaviour: jose doesn't fetch twice within 30 seconds (cooldownDuration). A service that fetched the keys just before a rotation refuses
# every new token for up to half a minute, with "no applicable key found" and without a request. jwks-rsa fetches at once. So an issuer
# must publish a key well before its first signature.
#
# Seen with jose 6.1.0 and jwks-rsa 3.2.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jose@6.1.0 jwks-rsa@3.2.0
cat >verify.mjs <<'JS'
import { createServer } from "node:http";
import { createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import jwksRsa from "jwks-rsa";
const make = async (kid) => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const token = await new SignJWT({}).setProtectedHeader({ alg: "ES256", kid }).setExpirationTime("5m").sign(privateKey);
  return { token, jwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" } };
};
const [old, fresh] = [await make("old"), await make("new")];
let keys = [old.jwk];
let fetches = 0;
const server = createServer((request, response) => {
  fetches++;
  response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys }));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}/`;
const remote = createRemoteJWKSet(new URL(url));
const tell = async (what, result) => console.log(`${what}: ${await result.then(() => "accepted", (error) => error.code ?? error.name)}, ${fetches} fetched`);
await tell("jose, old key", jwtVerify(old.token, remote));
keys = [fresh.jwk, old.jwk];
await tell("jose, new key at once", jwtVerify(fresh.token, remote));
await new Promise((done) => setTimeout(done, 31_000));
await tell("jose, new key after 31 s", jwtVerify(fresh.token, remote));
const client = jwksRsa({ jwksUri: url });
[keys, fetches] = [[old.jwk], 0];
await tell("jwks-rsa, old key", client.getSigningKey("old"));
keys = [fresh.jwk, old.jwk];
await tell("jwks-rsa, new key at once", client.getSigningKey("new"));
server.closeAllConnections();
server.close();
JS
out=$(timeout 120 node verify.mjs)
echo "$out"
want='jose, old key: accepted, 1 fetched
jose, new key at once: ERR_JWKS_NO_MATCHING_KEY, 1 fetched
jose, new key after 31 s: accepted, 2 fetched
jwks-rsa, old key: accepted, 1 fetched
jwks-rsa, new key at once: accepted, 2 fetched'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# PyJWT and npm jose, jsonwebtoken and fast-jwt: a token with an audience, verified by code that doesn't ask for one.
#
# A guess: aud is judged when the caller names an audience, like iss, so a token may gain the claim without breaking a verifier.
# Behaviour: PyJWT refuses a token with aud when no audience is asked for (InvalidAudienceError), unless the claim is empty; an iss
# it doesn't ask for passes. The three npm packages accept the token. An issuer that begins to write aud breaks its Python
# services alone.
#
# Seen with PyJWT 2.6.0 from Debian 12; jose 6.1.0, jsonwebtoken 9.0.2 and fast-jwt 6.0.2 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-jwt=2.6.0-1+deb12u1 >/dev/null
dpkg-deb -x python3-jwt_*.deb root
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jose@6.1.0 jsonwebtoken@9.0.2 fast-jwt@6.0.2
cat >verify.mjs <<'JS'
import { createVerifier } from "fast-jwt";
import { jwtVerify, SignJWT } from "jose";
import jwt from "jsonwebtoken";
const key = "k".repeat(32);
const bytes = new TextEncoder().encode(key);
const token = await new SignJWT({ aud: "api", iss: "me", sub: "ada" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1m").sign(bytes);
const tell = async (name, verify) => console.error(`${name}: ${await verify().then(() => "accepted", (error) => error.name)}`);
await tell("jose", () => jwtVerify(token, bytes));
await tell("jsonwebtoken", async () => jwt.verify(token, key));
await tell("fast-jwt", async () => createVerifier({ key })(token));
console.log(token);
JS
cat >verify.py <<'PY'
import sys, jwt
def tell(what, **more):
    try:
        jwt.decode(sys.argv[1], "k" * 32, algorithms=["HS256"], **more)
        print(f"PyJWT, {what}: accepted")
    except jwt.InvalidTokenError as error:
        print(f"PyJWT, {what}: {type(error).__name__}")
tell("no audience asked")
tell("the audience asked", audience="api")
PY
out=$({ token=$(node verify.mjs); PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 verify.py "$token"; } 2>&1)
echo "$out"
want='jose: accepted
jsonwebtoken: accepted
fast-jwt: accepted
PyJWT, no audience asked: InvalidAudienceError
PyJWT, the audience asked: accepted'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# PyJWT and npm jose, a token whose issuer's clock is a second ahead of the verifier's.
#
# A guess: iat only says when a token was made (RFC 7519, section 4.1.6), so no library judges it; exp and nbf are judged.
# Behaviour: PyJWT refuses a token whose iat lies in the future, by as little as a second, unless it is called with leeway. jose
# accepts an iat of ten minutes ahead, until it is told a maxTokenAge: then a second is refused too, unless clockTolerance is
# set. So a service in Python refuses a fraction of the tokens that the same service in JavaScript accepts.
#
# Seen with PyJWT 2.6.0 from Debian 12, and jose 6.2.18 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q -o APT::Sandbox::User= python3-jwt=2.6.0-1+deb12u1 >/dev/null
dpkg-deb -x python3-jwt_*.deb root
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jose@6.2.18
cat >iat.py <<'PY'
import time, jwt
key = "k" * 32
for ahead, leeway in ((-1, 0), (2, 0), (2, 60)):
    token = jwt.encode({"iat": int(time.time()) + ahead, "exp": int(time.time()) + 900}, key, algorithm="HS256")
    try:
        jwt.decode(token, key, algorithms=["HS256"], leeway=leeway)
        answer = "accepted"
    except jwt.InvalidTokenError as e:
        answer = type(e).__name__
    print("PyJWT: iat %+d s, leeway %d: %s" % (ahead, leeway, answer))
PY
cat >iat.mjs <<'JS'
import { SignJWT, jwtVerify } from "jose";
const key = new TextEncoder().encode("k".repeat(32));
for (const [ahead, options] of [[600, {}], [2, { maxTokenAge: 900 }], [2, { maxTokenAge: 900, clockTolerance: 60 }]]) {
  const now = Math.floor(Date.now() / 1000);
  const token = await new SignJWT().setProtectedHeader({ alg: "HS256" }).setIssuedAt(now + ahead).setExpirationTime(now + 900).sign(key);
  const answer = await jwtVerify(token, key, options).then(() => "accepted", (error) => error.code);
  console.log(`jose: iat +${ahead} s, ${JSON.stringify(options)}: ${answer}`);
}
JS
out=$(PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 iat.py; node iat.mjs)
echo "$out"
want='PyJWT: iat -1 s, leeway 0: accepted
PyJWT: iat +2 s, leeway 0: ImmatureSignatureError
PyJWT: iat +2 s, leeway 60: accepted
jose: iat +600 s, {}: accepted
jose: iat +2 s, {"maxTokenAge":900}: ERR_JWT_CLAIM_VALIDATION_FAILED
jose: iat +2 s, {"maxTokenAge":900,"clockTolerance":60}: accepted'
[ "$out" = "$want" ]
echo "as stated"

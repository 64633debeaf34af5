#!/usr/bin/env bash
# JWT libraries of Node, Python and Go, and the issuer's public key in the three PEM forms that issuers hand out: PUBLIC KEY, RSA PUBLIC KEY and a CERTIFICATE.
#
# A guess: what verifies with a PUBLIC KEY verifies with a certificate too, which holds the same key, in Python as in Node; the old RSA PUBLIC KEY is what a
# newer library gives up first.
# Behaviour: jsonwebtoken, fast-jwt, authlib, python-jose, jwcrypto and golang-jwt read all three. PyJWT reads the old form and refuses the certificate, with the words
# of a damaged file ("Could not deserialize key data"), though the rest of Python takes it. jose has a function of its own for certificates, importX509, and none
# for RSA PUBLIC KEY. PUBLIC KEY alone is read by all.
#
# Seen with jsonwebtoken 9.0.3, fast-jwt 6.3.6 and jose 6.2.18 on Node 20; PyJWT 2.6.0, authlib 1.2.0, python-jose 3.3.0 and jwcrypto 1.1 from Debian 12;
# golang-jwt 5.3.1 on Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jsonwebtoken@9.0.3 fast-jwt@6.3.6 jose@6.2.18
apt-get download -q -o APT::Sandbox::User= python3-jwt python3-authlib python3-jwcrypto python3-deprecated python3-wrapt python3-jose python3-rsa \
  python3-pyasn1 python3-ecdsa python3-six python3-cryptography python3-cffi-backend python3-requests >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
openssl req -x509 -newkey rsa:2048 -nodes -keyout private.pem -out certificate.pem -subj /CN=issuer.example -days 300 2>/dev/null
openssl x509 -in certificate.pem -pubkey -noout >public.pem
openssl rsa -pubin -in public.pem -RSAPublicKey_out -out rsa.pem 2>/dev/null
cat >verify.mjs <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";
const token = jsonwebtoken.sign({ sub: "ada" }, readFileSync("private.pem"), { algorithm: "RS256", expiresIn: "1h" });
writeFileSync("token", token);
const ways = {
  jsonwebtoken: (key) => jsonwebtoken.verify(token, key),
  "fast-jwt": (key) => createVerifier({ key })(token),
  "jose importSPKI": async (key) => jose.jwtVerify(token, await jose.importSPKI(key, "RS256")),
  "jose importX509": async (key) => jose.jwtVerify(token, await jose.importX509(key, "RS256")),
};
for (const [name, way] of Object.entries(ways)) {
  const good = [];
  for (const file of ["public", "rsa", "certificate"]) await Promise.resolve(readFileSync(`${file}.pem`, "utf8")).then(way).then(() => good.push(file), () => {});
  console.log(`${name}: ${good.join(" ")}`);
}
JS
cat >verify.py <<'PY'
import authlib.jose, jose.jwt, jwcrypto.jwk, jwcrypto.jwt, jwt
token = open("token").read()
ways = {
    "PyJWT": lambda key: jwt.decode(token, key, algorithms=["RS256"]),
    "authlib": lambda key: authlib.jose.jwt.decode(token, key),
    "python-jose": lambda key: jose.jwt.decode(token, key, algorithms=["RS256"]),
    "jwcrypto": lambda key: jwcrypto.jwt.JWT(jwt=token, key=jwcrypto.jwk.JWK.from_pem(key.encode())),
}
for name, way in ways.items():
    good = []
    for file in "public", "rsa", "certificate":
        try:
            way(open(file + ".pem").read())
            good.append(file)
        except Exception:
            pass
    print(f"{name}:", *good)
PY
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/golang-jwt/jwt/v5 v5.3.1
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	token, _ := os.ReadFile("token")
	fmt.Print("golang-jwt:")
	for _, file := range []string{"public", "rsa", "certificate"} {
		text, _ := os.ReadFile(file + ".pem")
		if _, err := jwt.Parse(string(token), func(*jwt.Token) (any, error) { return jwt.ParseRSAPublicKeyFromPEM(text) }); err == nil {
			fmt.Print(" ", file)
		}
	}
	fmt.Println()
}
GO
go mod tidy >/dev/null 2>&1
out=$(node verify.mjs && PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore verify.py && go run .)
echo "$out"
want='jsonwebtoken: public rsa certificate
fast-jwt: public rsa certificate
jose importSPKI: public
jose importX509: certificate
PyJWT: public rsa
authlib: public rsa certificate
python-jose: public rsa certificate
jwcrypto: public rsa certificate
golang-jwt: public rsa certificate'
[ "$out" = "$want" ]
echo "as stated"

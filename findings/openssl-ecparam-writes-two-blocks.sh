#!/usr/bin/env bash
# The file that "openssl ecparam -name prime256v1 -genkey" writes, as guides for ES256 tell people to make a key, given to JWT libraries to sign with.
#
# A guess: it is a private key in PEM, as openssl's other commands write one; a library that reads EC keys in PEM reads this one, or wants PKCS #8
# and says so.
# Behaviour: the file begins with a block for the curve, EC PARAMETERS, and the key is in the second one. golang-jwt, jwx and fast-jwt look at the
# first block alone and refuse the file. jose wants PKCS #8 in any case. The seven others sign with it, so a key that works for the service in
# Python fails for the one in Go. With -noout, openssl leaves the first block out.
#
# Seen with OpenSSL 3.0, jsonwebtoken 9.0.3, fast-jwt 6.3.6 and jose 6.2.18 on Node 20; golang-jwt 5.3.1 and jwx 3.4.0 on Go 1.26; PyJWT 2.6.0,
# authlib 1.2.0, jwcrypto 1.1, python-jose 3.3.0, ruby-jwt 2.5.0 and Crypt::JWT 0.034 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jose@6.2.18 jsonwebtoken@9.0.3 fast-jwt@6.3.6
apt-get download -q -o APT::Sandbox::User= openssl python3-jwt python3-authlib python3-jwcrypto python3-deprecated python3-wrapt python3-jose python3-rsa \
  python3-pyasn1 python3-ecdsa python3-six python3-cryptography python3-cffi-backend python3-requests ruby-jwt libcrypt-jwt-perl libcryptx-perl libjson-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
openssl=root/usr/bin/openssl
cat >sign.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createSigner } from "fast-jwt";
import { importPKCS8, SignJWT } from "jose";
import jsonwebtoken from "jsonwebtoken";
const key = readFileSync(process.argv[2], "utf8");
const ways = {
  jsonwebtoken: async () => jsonwebtoken.sign({ sub: "ada" }, key, { algorithm: "ES256" }),
  "fast-jwt": async () => createSigner({ key, algorithm: "ES256" })({ sub: "ada" }),
  jose: async () => new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "ES256" }).sign(await importPKCS8(key, "ES256")),
};
for (const [name, way] of Object.entries(ways)) console.log(`${name}: ${await way().then(() => "signs", () => "refuses")}`);
JS
cat >sign.py <<'PY'
import sys
import authlib.jose, jwcrypto.jwk, jwcrypto.jwt, jwt
from jose import jwt as python_jose
key = open(sys.argv[1]).read()
def with_jwcrypto():
    token = jwcrypto.jwt.JWT(header={"alg": "ES256"}, claims={"sub": "ada"})
    token.make_signed_token(jwcrypto.jwk.JWK.from_pem(key.encode()))
ways = {
    "PyJWT": lambda: jwt.encode({"sub": "ada"}, key, algorithm="ES256"),
    "authlib": lambda: authlib.jose.jwt.encode({"alg": "ES256"}, {"sub": "ada"}, key),
    "jwcrypto": with_jwcrypto,
    "python-jose": lambda: python_jose.encode({"sub": "ada"}, key, algorithm="ES256"),
}
for name, way in ways.items():
    try:
        way()
        print(f"{name}: signs")
    except Exception:
        print(f"{name}: refuses")
PY
cat >sign.rb <<'RB'
require "jwt"
JWT.encode({ sub: "ada" }, OpenSSL::PKey.read(File.read(ARGV[0])), "ES256")
puts "ruby-jwt: signs"
RB
cat >sign.pl <<'PL'
use Crypt::JWT "encode_jwt";
local $/;
open my $file, "<", $ARGV[0] or die;
my $key = <$file>;
print "Crypt::JWT: ", eval { encode_jwt(payload => { sub => "ada" }, alg => "ES256", key => \$key) } ? "signs" : "refuses", "\n";
PL
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/lestrrat-go/jwx/v3 v3.4.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"crypto/ecdsa"
	"fmt"
	"os"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

func main() {
	pem, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	tell := func(name string, key any, err error) {
		if err == nil {
			_, err = jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "ada"}).SignedString(key)
		}
		if err != nil {
			fmt.Printf("%s: refuses\n", name)
			return
		}
		fmt.Printf("%s: signs\n", name)
	}
	key, err := jwt.ParseECPrivateKeyFromPEM(pem)
	tell("golang-jwt", key, err)
	set, err := jwk.ParseKey(pem, jwk.WithPEM(true))
	private := new(ecdsa.PrivateKey)
	if err == nil {
		err = jwk.Export(set, private)
	}
	tell("jwx", private, err)
}
GO
go mod tidy >/dev/null 2>&1
go build -o sign .
$openssl ecparam -name prime256v1 -genkey -out two-blocks 2>/dev/null
$openssl ecparam -name prime256v1 -genkey -noout -out noout 2>/dev/null
$openssl pkcs8 -topk8 -nocrypt -in two-blocks -out pkcs8
for file in two-blocks noout pkcs8; do
  {
    node sign.mjs $file
    PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 sign.py $file
    ruby -I "$dir/root/usr/lib/ruby/vendor_ruby" -I "$(echo "$dir"/root/usr/share/rubygems-integration/all/gems/jwt-2.5.0/lib)" sign.rb $file
    PERL5LIB=$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*/perl5/5.36) perl sign.pl $file
    ./sign $file
  } >seen
  echo "$file, $(sed -n 's/-----BEGIN \(.*\)-----/\1/p' $file | paste -sd+): $(grep -c ': signs$' seen) sign, refused by $(sed -n 's/: refuses$//p' seen | paste -sd, | sed 's/,/, /g' | grep . || echo none)"
done >out
cat out
want='two-blocks, EC PARAMETERS+EC PRIVATE KEY: 7 sign, refused by fast-jwt, jose, golang-jwt, jwx
noout, EC PRIVATE KEY: 10 sign, refused by jose
pkcs8, PRIVATE KEY: 11 sign, refused by none'
[ "$(cat out)" = "$want" ]
echo "as stated"

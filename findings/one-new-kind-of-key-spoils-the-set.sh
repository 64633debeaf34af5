#!/usr/bin/env bash
# JWT libraries of Node, Go, Python, Ruby and Perl: an issuer that signs with RSA publishes a second key beside it, of a kind that the library doesn't
# know: {"kty": "AKP", "alg": "ML-DSA-44"}, for signatures that are to come.
#
# A guess: a verifier takes the key that the token names and doesn't look at the rest. RFC 7517, section 5, says so: keys of a kty that isn't
# understood should be ignored. So an issuer can publish a new kind of key early, and nothing changes until it signs with it.
# Behaviour: half of them refuse the whole set, and with it every token: go-jose, jwx and keyfunc in Go, node-jose, authlib and jwcrypto;
# python-jose too if the new key stands before the other. jose, jwks-rsa, PyJWT, ruby-jwt, Crypt::JWT and go-oidc go on. Without the
# new key all accept the token.
#
# Seen with jose 6.2.18, jwks-rsa 4.1.0 and node-jose 2.2.0 on Node 20; go-jose 4.1.9, jwx 3.4.0, keyfunc 3.9.2 and go-oidc 3.21.0 on Go 1.26;
# PyJWT 2.6.0, authlib 1.2.0, jwcrypto 1.1, python-jose 3.3.0, ruby-jwt 2.5.0 and Crypt::JWT 0.034 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund jose@6.2.18 jwks-rsa@4.1.0 node-jose@2.2.0 jsonwebtoken@9.0.3
apt-get download -q -o APT::Sandbox::User= python3-jwt python3-authlib python3-jwcrypto python3-deprecated python3-wrapt python3-jose python3-rsa \
  python3-pyasn1 python3-ecdsa python3-six python3-cryptography python3-cffi-backend python3-requests ruby-jwt libcrypt-jwt-perl libcryptx-perl libjson-perl >/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >make.mjs <<'JS'
import { writeFileSync } from "node:fs";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
const rsa = { ...(await exportJWK(publicKey)), kid: "now", alg: "RS256", use: "sig" };
const later = { kty: "AKP", alg: "ML-DSA-44", kid: "later", use: "sig", pub: Buffer.alloc(1312, 7).toString("base64url") };
writeFileSync("one.json", JSON.stringify({ keys: [rsa] }));
writeFileSync("two.json", JSON.stringify({ keys: [later, rsa] }));
writeFileSync("behind.json", JSON.stringify({ keys: [rsa, later] }));
const claims = new SignJWT({ sub: "ada" }).setProtectedHeader({ alg: "RS256", kid: "now" }).setIssuer("https://issuer.example").setAudience("app");
writeFileSync("token", await claims.setIssuedAt().setExpirationTime("1h").sign(privateKey));
JS
cat >verify.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import jwksRsa from "jwks-rsa";
import nodeJose from "node-jose";
const set = readFileSync(process.argv[2], "utf8");
const token = readFileSync("token", "utf8");
const server = createServer((request, response) => response.setHeader("Content-Type", "application/json").end(set));
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}/`;
const ways = {
  jose: async () => (await jwtVerify(token, createRemoteJWKSet(new URL(url)))).payload,
  "jwks-rsa": async () => jsonwebtoken.verify(token, (await jwksRsa({ jwksUri: url }).getSigningKey("now")).getPublicKey()),
  "node-jose": async () => JSON.parse((await nodeJose.JWS.createVerify(await nodeJose.JWK.asKeyStore(set)).verify(token)).payload),
};
for (const [name, way] of Object.entries(ways)) console.log(`${name}: ${await way().then((claims) => claims.sub, () => "fails")}`);
server.closeAllConnections();
server.close();
JS
cat >verify.py <<'PY'
import json, sys
import authlib.jose, jwcrypto.jwk, jwcrypto.jwt, jwt
from jose import jwt as python_jose
text = open(sys.argv[1]).read()
token = open("token").read()
ways = {
    "PyJWT": lambda: jwt.decode(token, next(k for k in jwt.PyJWKSet.from_json(text).keys if k.key_id == "now").key, algorithms=["RS256"], audience="app"),
    "authlib": lambda: authlib.jose.jwt.decode(token, authlib.jose.JsonWebKey.import_key_set(json.loads(text))),
    "jwcrypto": lambda: json.loads(jwcrypto.jwt.JWT(jwt=token, key=jwcrypto.jwk.JWKSet.from_json(text)).claims),
    "python-jose": lambda: python_jose.decode(token, json.loads(text), algorithms=["RS256"], audience="app"),
}
for name, way in ways.items():
    try:
        print(f"{name}: {way()['sub']}")
    except Exception:
        print(f"{name}: fails")
PY
cat >verify.rb <<'RB'
require "json"
require "jwt"
set = JSON.parse(File.read(ARGV[0]), symbolize_names: true)
claims, = JWT.decode(File.read("token"), nil, true, algorithms: ["RS256"], jwks: set) rescue nil
puts "ruby-jwt: #{claims ? claims["sub"] : "fails"}"
RB
cat >verify.pl <<'PL'
use Crypt::JWT "decode_jwt";
use JSON;
sub text { local $/; open my $file, "<", $_[0] or die; <$file> }
my $claims = eval { decode_jwt(token => text("token"), kid_keys => decode_json(text($ARGV[0])), verify_aud => undef) };
print "Crypt::JWT: ", $claims ? $claims->{sub} : "fails", "\n";
PL
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/MicahParks/keyfunc/v3 v3.9.2
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/go-jose/go-jose/v4 v4.1.9
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/lestrrat-go/jwx/v3 v3.4.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	set := must(os.ReadFile(os.Args[1]))
	token := string(must(os.ReadFile("token")))
	tell := func(name string, verify func() (string, error)) {
		subject, err := verify()
		if err != nil {
			subject = "fails"
		}
		fmt.Printf("%s: %s\n", name, subject)
	}
	tell("go-jose", func() (string, error) {
		var keys jose.JSONWebKeySet
		if err := json.Unmarshal(set, &keys); err != nil {
			return "", err
		}
		var claims josejwt.Claims
		err := must(josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})).Claims(keys, &claims)
		return claims.Subject, err
	})
	tell("jwx", func() (string, error) {
		keys, err := jwk.Parse(set)
		if err != nil {
			return "", err
		}
		parsed, err := jwt.Parse([]byte(token), jwt.WithKeySet(keys))
		if err != nil {
			return "", err
		}
		subject, _ := parsed.Subject()
		return subject, nil
	})
	tell("keyfunc", func() (string, error) {
		keys, err := keyfunc.NewJWKSetJSON(set)
		if err != nil {
			return "", err
		}
		parsed, err := golangjwt.Parse(token, keys.Keyfunc)
		if err != nil {
			return "", err
		}
		return parsed.Claims.GetSubject()
	})
	tell("go-oidc", func() (string, error) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(set) }))
		defer server.Close()
		keys := oidc.NewRemoteKeySet(context.Background(), server.URL)
		parsed, err := oidc.NewVerifier("https://issuer.example", keys, &oidc.Config{ClientID: "app"}).Verify(context.Background(), token)
		if err != nil {
			return "", err
		}
		return parsed.Subject, nil
	})
}
GO
go mod tidy >/dev/null 2>&1
go build -o verify .
node make.mjs
verify() {
  node verify.mjs "$1"
  PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 verify.py "$1"
  ruby -I "$dir/root/usr/lib/ruby/vendor_ruby" -I "$(echo "$dir"/root/usr/share/rubygems-integration/all/gems/jwt-2.5.0/lib)" verify.rb "$1"
  PERL5LIB=$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*/perl5/5.36) perl verify.pl "$1"
  ./verify "$1"
}
verify one.json >one
[ "$(grep -c ': ada$' one)" = 13 ]
out=$(verify two.json
  echo "with the new key behind the other:"
  verify behind.json | diff --changed-group-format='%>' --unchanged-group-format='' <(verify two.json) - || true)
echo "$out"
want='jose: ada
jwks-rsa: ada
node-jose: fails
PyJWT: ada
authlib: fails
jwcrypto: fails
python-jose: fails
ruby-jwt: ada
Crypt::JWT: ada
go-jose: fails
jwx: fails
keyfunc: fails
go-oidc: ada
with the new key behind the other:
python-jose: ada'
[ "$out" = "$want" ]
echo "as stated"

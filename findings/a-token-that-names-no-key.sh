#!/usr/bin/env bash
# JWT libraries of Node, Go, Python, Ruby and Perl, and tokens without a kid, which RFC 7515, section 4.1.4, leaves to the issuer: with a set of one key,
# as an issuer has it for years, and with a second one beside it, as in the days of a rotation.
#
# A guess: a set of one key leaves no choice, so all take that one. With two of the same kind a library tries both, or says that it needs a kid.
# Behaviour: of thirteen, six refuse the token with a set of one: PyJWT, ruby-jwt, Crypt::JWT, go-jose and jwx in any case, authlib if the key has a kid
# while the token has none. jose, jwks-rsa, node-jose, jwcrypto, python-jose, keyfunc and go-oidc take it. With an EC key beside it jwks-rsa gives up, with a
# second RSA key jose too, and the other five try both. So an issuer without kid works with half of its services, and loses two more by rotating.
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
const keys = [];
for (const [at, alg] of ["RS256", "ES256", "RS256"].entries()) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await exportJWK(publicKey)), kid: `key-${at}`, alg, use: "sig" });
  if (at) continue;
  for (const [file, header] of Object.entries({ "named": { alg, kid: "key-0" }, "unnamed": { alg } })) {
    const claims = new SignJWT({ sub: "ada" }).setProtectedHeader(header).setIssuer("https://issuer.example").setAudience("app");
    writeFileSync(file, await claims.setIssuedAt().setExpirationTime("1h").sign(privateKey));
  }
}
const [right, ec, rsa] = keys;
const { kid, ...bare } = right;
for (const [file, set] of Object.entries({ "one-key": [right], "one-bare-key": [bare], "an-ec-key-too": [right, ec], "two-rsa-keys": [right, rsa] })) writeFileSync(file, JSON.stringify({ keys: set }));
JS
cat >verify.mjs <<'JS'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import jsonwebtoken from "jsonwebtoken";
import jwksRsa from "jwks-rsa";
import nodeJose from "node-jose";
const [set, token] = process.argv.slice(2).map((file) => readFileSync(file, "utf8"));
const server = createServer((request, response) => response.setHeader("Content-Type", "application/json").end(set));
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${server.address().port}/`;
const ways = {
  jose: async () => (await jwtVerify(token, createRemoteJWKSet(new URL(url)))).payload,
  "jwks-rsa": async () => jsonwebtoken.verify(token, (await jwksRsa({ jwksUri: url }).getSigningKey(jsonwebtoken.decode(token, { complete: true }).header.kid)).getPublicKey(), { algorithms: ["RS256", "ES256"] }),
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
text, token = (open(name).read() for name in sys.argv[1:])
algorithms = ["RS256", "ES256"]
class Client(jwt.PyJWKClient):
    def fetch_data(self):
        return json.loads(text)
ways = {
    "PyJWT": lambda: jwt.decode(token, Client("").get_signing_key_from_jwt(token).key, algorithms=algorithms, audience="app"),
    "authlib": lambda: authlib.jose.jwt.decode(token, authlib.jose.JsonWebKey.import_key_set(json.loads(text))),
    "jwcrypto": lambda: json.loads(jwcrypto.jwt.JWT(jwt=token, key=jwcrypto.jwk.JWKSet.from_json(text)).claims),
    "python-jose": lambda: python_jose.decode(token, json.loads(text), algorithms=algorithms, audience="app"),
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
claims, = JWT.decode(File.read(ARGV[1]), nil, true, algorithms: ["RS256", "ES256"], jwks: set) rescue nil
puts "ruby-jwt: #{claims ? claims["sub"] : "fails"}"
RB
cat >verify.pl <<'PL'
use Crypt::JWT "decode_jwt";
use JSON;
sub text { local $/; open my $file, "<", $_[0] or die; <$file> }
my $claims = eval { decode_jwt(token => text($ARGV[1]), kid_keys => decode_json(text($ARGV[0])), verify_aud => undef) };
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
	token := string(must(os.ReadFile(os.Args[2])))
	tell := func(name string, err error) {
		answer := "ada"
		if err != nil {
			answer = "fails"
		}
		fmt.Printf("%s: %s\n", name, answer)
	}
	var keys jose.JSONWebKeySet
	must(0, json.Unmarshal(set, &keys))
	var claims josejwt.Claims
	tell("go-jose", must(josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})).Claims(keys, &claims))
	_, err := jwt.Parse([]byte(token), jwt.WithKeySet(must(jwk.Parse(set))))
	tell("jwx", err)
	_, err = golangjwt.Parse(token, must(keyfunc.NewJWKSetJSON(set)).Keyfunc)
	tell("keyfunc", err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(set) }))
	defer server.Close()
	config := &oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{oidc.RS256, oidc.ES256}}
	remote := oidc.NewRemoteKeySet(context.Background(), server.URL)
	_, err = oidc.NewVerifier("https://issuer.example", remote, config).Verify(context.Background(), token)
	tell("go-oidc", err)
}
GO
go mod tidy >/dev/null 2>&1
go build -o verify .
node make.mjs
verify() {
  {
    node verify.mjs "$@"
    PYTHONPATH=$dir/root/usr/lib/python3/dist-packages /usr/bin/python3 verify.py "$@"
    ruby -I "$dir/root/usr/lib/ruby/vendor_ruby" -I "$(echo "$dir"/root/usr/share/rubygems-integration/all/gems/jwt-2.5.0/lib)" verify.rb "$@"
    PERL5LIB=$dir/root/usr/share/perl5:$(echo "$dir"/root/usr/lib/*/perl5/5.36) perl verify.pl "$@"
    ./verify "$@"
  } >seen
  echo "$1, $2: accepted by $(grep -c ': ada$' seen), fails with $(sed -n 's/: fails$//p' seen | paste -sd, | sed 's/,/, /g' | grep . || echo none)"
}
out=$(
  verify two-rsa-keys named
  verify one-key unnamed
  verify one-bare-key unnamed
  verify an-ec-key-too unnamed
  verify two-rsa-keys unnamed
)
echo "$out"
want='two-rsa-keys, named: accepted by 13, fails with none
one-key, unnamed: accepted by 7, fails with PyJWT, authlib, ruby-jwt, Crypt::JWT, go-jose, jwx
one-bare-key, unnamed: accepted by 8, fails with PyJWT, ruby-jwt, Crypt::JWT, go-jose, jwx
an-ec-key-too, unnamed: accepted by 6, fails with jwks-rsa, PyJWT, authlib, ruby-jwt, Crypt::JWT, go-jose, jwx
two-rsa-keys, unnamed: accepted by 5, fails with jose, jwks-rsa, PyJWT, authlib, ruby-jwt, Crypt::JWT, go-jose, jwx'
[ "$out" = "$want" ]
echo "as stated"

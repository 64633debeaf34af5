#!/usr/bin/env bash
# JWT libraries of Node, Go, Python, Ruby and Perl: an issuer whose RSA key and EC key have the same kid, and its tokens for RS256 and for ES256.
#
# A guess: RFC 7517, section 4.5, allows keys of different kty to share a kid, "considered to be equivalent alternatives". The token says its alg, the
# keys say kty and alg, so a verifier finds the right one of the two.
# Behaviour: jose, node-jose and go-oidc do. The ten others take the first key of that kid, see that it doesn't fit the alg, and refuse the token;
# nothing is tried after it. So with the RSA key first every RS256 token is good and every ES256 token bad, and with the other order it is the
# other way round. An issuer that names keys by their date, and adds a kind, has to give each its own kid. (python-jose wants the
# right key first even then: it tries the keys in turn and ends at the first one of another kind.)
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
for (const alg of ["RS256", "ES256"]) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await exportJWK(publicKey)), kid: "2026-11", alg, use: "sig" });
  const claims = new SignJWT({ sub: "ada" }).setProtectedHeader({ alg, kid: "2026-11" }).setIssuer("https://issuer.example").setAudience("app");
  writeFileSync(alg, await claims.setIssuedAt().setExpirationTime("1h").sign(privateKey));
}
writeFileSync("rsa-first", JSON.stringify({ keys }));
writeFileSync("ec-first", JSON.stringify({ keys: keys.toReversed() }));
writeFileSync("other-kids", JSON.stringify({ keys: keys.map((key) => (key.kty === "EC" ? key : { ...key, kid: "2026-10" })) }));
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
  "jwks-rsa": async () => jsonwebtoken.verify(token, (await jwksRsa({ jwksUri: url }).getSigningKey("2026-11")).getPublicKey(), { algorithms: ["RS256", "ES256"] }),
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
  verify other-kids ES256
  verify rsa-first RS256
  verify rsa-first ES256
  verify ec-first RS256
  verify ec-first ES256
)
echo "$out"
want='other-kids, ES256: accepted by 12, fails with python-jose
rsa-first, RS256: accepted by 13, fails with none
rsa-first, ES256: accepted by 3, fails with jwks-rsa, PyJWT, authlib, jwcrypto, python-jose, ruby-jwt, Crypt::JWT, go-jose, jwx, keyfunc
ec-first, RS256: accepted by 3, fails with jwks-rsa, PyJWT, authlib, jwcrypto, python-jose, ruby-jwt, Crypt::JWT, go-jose, jwx, keyfunc
ec-first, ES256: accepted by 13, fails with none'
[ "$out" = "$want" ]
echo "as stated"

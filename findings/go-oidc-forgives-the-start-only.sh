#!/usr/bin/env bash
# go-oidc, and the clock of a provider that differs from ours: which of an ID token's times it forgives.
#
# A guess: one allowance for a clock that is off, the same for the start of a token (nbf), for its end (exp) and for iat.
# Behaviour: five minutes at the start and none at the end: nbf four minutes ahead passes, exp two seconds ago doesn't. iat isn't looked at;
# a year ahead passes. So with the provider's clock behind ours by more than the life of its ID tokens no one can sign in, and
# with ours behind by six minutes only tokens with nbf are refused. exp as a text is read as a number.
#
# Seen with go-oidc 3.21.0 and go-jose 4.1.9 on Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func main() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	keys := &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{&key.PublicKey}}
	verifier := oidc.NewVerifier("https://op.example", keys, &oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{"ES256"}})
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, row := range []struct {
		what, claim string
		value       any
	}{
		{"a plain token", "iat", at(0)},
		{"nbf in four minutes", "nbf", at(4 * time.Minute)},
		{"nbf in six minutes", "nbf", at(6 * time.Minute)},
		{"exp two seconds ago", "exp", at(-2 * time.Second)},
		{"iat in a year", "iat", at(365 * 24 * time.Hour)},
		{"exp as a text", "exp", fmt.Sprint(at(time.Hour))},
	} {
		claims := map[string]any{"iss": "https://op.example", "aud": "app", "sub": "1", "exp": at(time.Hour)}
		claims[row.claim] = row.value
		raw, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			panic(err)
		}
		result := "accepted"
		if _, err := verifier.Verify(context.Background(), raw); err != nil {
			result = "refused"
		}
		fmt.Printf("%s: %s\n", row.what, result)
	}
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
go mod init try >/dev/null 2>&1
go get github.com/coreos/go-oidc/v3@v3.21.0 github.com/go-jose/go-jose/v4@v4.1.9 >/dev/null 2>&1
out=$(go run .)
echo "$out"
want='a plain token: accepted
nbf in four minutes: accepted
nbf in six minutes: refused
exp two seconds ago: refused
iat in a year: accepted
exp as a text: accepted'
[ "$out" = "$want" ]
echo "as stated"

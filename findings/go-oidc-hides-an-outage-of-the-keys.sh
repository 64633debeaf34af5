#!/usr/bin/env bash
# go-oidc, a good token while the provider's keys can't be fetched.
#
# A guess: the error of Verify unwraps to what the key set returned, so that a handler can tell an outage of the provider (answer
# 503, the sender tries again) from a bad token (answer 400).
# Behaviour: the error has the key set's text, but doesn't wrap it: errors.Is and errors.As don't find it. A receiver of logout
# tokens that answers 400 to each error of Verify loses a sign-out for good, because the provider doesn't send it again.
#
# Seen with github.com/coreos/go-oidc/v3 v3.21.0 and Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/coreos/go-oidc/v3 v3.21.0
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

var errOutage = errors.New("the keys can't be fetched")

type keys struct{}

func (keys) VerifySignature(context.Context, string) ([]byte, error) { return nil, fmt.Errorf("keys: %w", errOutage) }

func main() {
	text := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	token := text(`{"alg":"RS256","kid":"1"}`) + "." +
		text(fmt.Sprintf(`{"iss":"https://provider.example","aud":"client","sub":"1","exp":%d}`, time.Now().Unix()+60)) + "." + text("signature")
	_, err := oidc.NewVerifier("https://provider.example", keys{}, &oidc.Config{ClientID: "client"}).Verify(context.Background(), token)
	fmt.Println(err)
	fmt.Println("errors.Is finds the outage:", errors.Is(err, errOutage))
}
GO
GOFLAGS=-mod=mod go mod tidy >/dev/null 2>&1
out=$(go run .)
echo "$out"
grep -q "the keys can't be fetched" <<<"$out"
grep -qx "errors.Is finds the outage: false" <<<"$out"
echo "as stated"

#!/usr/bin/env bash
# golang.org/x/oauth2, access tokens that live for ten seconds or less, such as test providers and careful companies give.
#
# A guess: a TokenSource asks the token endpoint once per lifetime, and twenty calls at once share the answer.
# Behaviour: a token counts as expired ten seconds before its end. One that lives for ten seconds is never valid, so every call asks again, one
# after the other, and spends a refresh token each time: 20 parallel calls, 20 requests. With eleven seconds one exchange is
# all. What came beside the tokens, id_token and scope, is gone from Extra after the first refresh, as the refresh's answer
# replaces it.
#
# Seen with golang.org/x/oauth2 v0.33.0 and Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require golang.org/x/oauth2 v0.33.0
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"

	"golang.org/x/oauth2"
)

func main() {
	for _, seconds := range []int{10, 11} {
		var exchanges, refreshes atomic.Int64
		provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.FormValue("grant_type") == "refresh_token" {
				refreshes.Add(1)
				fmt.Fprintf(w, `{"access_token":"later","token_type":"Bearer","refresh_token":"next","expires_in":%d}`, seconds)
				return
			}
			exchanges.Add(1)
			fmt.Fprintf(w, `{"access_token":"first","token_type":"Bearer","refresh_token":"next","id_token":"who","expires_in":%d}`, seconds)
		}))
		config := oauth2.Config{ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: provider.URL, AuthStyle: oauth2.AuthStyleInParams}}
		token, err := config.Exchange(context.Background(), "code")
		if err != nil {
			panic(err)
		}
		source := config.TokenSource(context.Background(), token)
		var last *oauth2.Token
		var mu sync.Mutex
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				got, err := source.Token()
				if err != nil {
					panic(err)
				}
				mu.Lock()
				last = got
				mu.Unlock()
			})
		}
		calls.Wait()
		fmt.Printf("expires_in %d: %d exchange, %d refreshes, id_token %v\n", seconds, exchanges.Load(), refreshes.Load(), last.Extra("id_token"))
		provider.Close()
	}
}
GO
go mod tidy >/dev/null 2>&1
out=$(go run .)
echo "$out"
want='expires_in 10: 1 exchange, 20 refreshes, id_token <nil>
expires_in 11: 1 exchange, 0 refreshes, id_token who'
[ "$out" = "$want" ]
echo "as stated"

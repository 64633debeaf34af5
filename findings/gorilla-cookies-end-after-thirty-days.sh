#!/usr/bin/env bash
# Go, gorilla/sessions, a CookieStore whose Options.MaxAge is ninety days.
#
# A guess: Options.MaxAge is how long a session lasts: the browser keeps the cookie ninety days, and the server takes it.
# Behaviour: the browser keeps it, and after thirty days the server refuses it: "securecookie: expired timestamp". The value holds its time of making, and
# the store's codecs have a limit of their own, which is 30 days until store.MaxAge(seconds) sets both. Most programs ignore the error of
# Get, so the person is signed out without a word in the log.
#
# Seen with gorilla/sessions 1.4.0 and Go 1.26, whose testing/synctest lets the days pass.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/gorilla/sessions v1.4.0
MOD
cat >age_test.go <<'GO'
package main

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/sessions"
)

const day = 24 * 60 * 60

func TestAge(t *testing.T) {
	for name, set := range map[string]func(*sessions.CookieStore){
		"Options.MaxAge": func(store *sessions.CookieStore) { store.Options.MaxAge = 90 * day },
		"store.MaxAge":   func(store *sessions.CookieStore) { store.MaxAge(90 * day) },
	} {
		synctest.Test(t, func(t *testing.T) {
			store := sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))
			set(store)
			answer := httptest.NewRecorder()
			request := httptest.NewRequest("GET", "/", nil)
			session, _ := store.Get(request, "sid")
			session.Values["user"] = "ada"
			if err := session.Save(request, answer); err != nil {
				t.Fatal(err)
			}
			cookie := answer.Result().Cookies()[0]
			fmt.Printf("out %s: the browser keeps it %d days", name, cookie.MaxAge/day)
			for _, days := range []int{29, 31} {
				time.Sleep(time.Duration(days)*24*time.Hour - time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
				request := httptest.NewRequest("GET", "/", nil)
				request.AddCookie(cookie)
				session, err := store.Get(request, "sid")
				fmt.Printf("; day %d: user %v, error %v", days, session.Values["user"], err)
			}
			fmt.Println()
		})
	}
}
GO
go mod tidy >/dev/null 2>&1
out=$(go test -v . | sed -n 's/^out //p' | LC_ALL=C sort)
echo "$out"
want='Options.MaxAge: the browser keeps it 90 days; day 29: user ada, error <nil>; day 31: user <nil>, error securecookie: expired timestamp
store.MaxAge: the browser keeps it 90 days; day 29: user ada, error <nil>; day 31: user ada, error <nil>'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# Go, gorilla/sessions, and sessions that are kept on the server: FilesystemStore, and gormstore for a table; beside them CookieStore and alexedwards/scs.
#
# A guess: the limit of 4096 bytes is a cookie's. A store on the server holds what a disk or a column holds; the cookie has no more than an id.
# Behaviour: FilesystemStore and gormstore have the same limit as CookieStore: Save fails with "securecookie: the value is too long", since they encode the
# values by the same code before they write them. Base64 is applied twice, so 2500 bytes are 4600 and too many. No cookie is set then either, so a new session
# with a filled cart or a provider's ID token isn't there at all for a handler that drops Save's error. MaxLength(0) of each store lifts the limit;
# scs has none.
#
# Seen with gorilla/sessions 1.4.0, gormstore 2.0.3 with glebarez/sqlite 1.11.0, and alexedwards/scs 2.9.0 on Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/glebarez/sqlite v1.11.0
	github.com/gorilla/sessions v1.4.0
	github.com/wader/gormstore/v2 v2.0.3
	gorm.io/gorm v1.31.2
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/alexedwards/scs/v2"
	"github.com/glebarez/sqlite"
	"github.com/gorilla/sessions"
	"github.com/wader/gormstore/v2"
	"gorm.io/gorm"
)

func main() {
	key := []byte(strings.Repeat("k", 32))
	db, err := gorm.Open(sqlite.Open(os.Args[1]+"/db"), &gorm.Config{})
	if err != nil {
		panic(err)
	}
	files, lifted, table := sessions.NewFilesystemStore(os.Args[1], key), sessions.NewFilesystemStore(os.Args[1], key), gormstore.New(db, key)
	lifted.MaxLength(0)
	for _, one := range []struct {
		name  string
		store sessions.Store
	}{{"CookieStore", sessions.NewCookieStore(key)}, {"FilesystemStore", files}, {"gormstore", table}, {"FilesystemStore, MaxLength(0)", lifted}} {
		for _, size := range []int{1000, 2500} {
			request, answer := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			session, _ := one.store.Get(request, "sid")
			session.Values["cart"] = strings.Repeat("x", size)
			fmt.Printf("%s, %d: %v, %d cookies\n", one.name, size, session.Save(request, answer), len(answer.Result().Cookies()))
		}
	}
	manager := scs.New()
	ctx, _ := manager.Load(context.Background(), "")
	manager.Put(ctx, "cart", strings.Repeat("x", 70000))
	token, _, err := manager.Commit(ctx)
	ctx, _ = manager.Load(context.Background(), token)
	fmt.Printf("scs, %d: %v\n", len(manager.GetString(ctx, "cart")), err)
}
GO
go mod tidy >/dev/null 2>&1
mkdir data
out=$(go run . "$dir/data")
echo "$out"
want='CookieStore, 1000: <nil>, 1 cookies
CookieStore, 2500: securecookie: the value is too long: 4600, 0 cookies
FilesystemStore, 1000: <nil>, 1 cookies
FilesystemStore, 2500: securecookie: the value is too long: 4600, 0 cookies
gormstore, 1000: <nil>, 1 cookies
gormstore, 2500: securecookie: the value is too long: 4600, 0 cookies
FilesystemStore, MaxLength(0), 1000: <nil>, 1 cookies
FilesystemStore, MaxLength(0), 2500: <nil>, 1 cookies
scs, 70000: <nil>'
[ "$out" = "$want" ]
echo "as stated"

#!/usr/bin/env bash
# Go, alexedwards/scs, and npm express-session: a handler that writes a part of its answer and then puts a value into the session.
#
# A guess: the cookie has to precede the body, but the values go to the store when the handler has returned. A session that has its cookie
# already keeps what is put at any time of the request.
# Behaviour: scs saves at the first byte that the handler writes, and not again: what is put afterwards is gone, without an error. A handler that streams, or
# that sends its answer and then notes what was done, loses the note. express-session saves when the answer ends, and keeps both.
#
# Seen with scs 2.9.0 on Go 1.26, and express-session 1.18.2 with Express 5.1.0 on Node 20.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund express-session@1.18.2 express@5.1.0
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/alexedwards/scs/v2 v2.9.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/alexedwards/scs/v2"
)

func main() {
	sessions := scs.New()
	sessions.Cookie.Secure = false
	mux := http.NewServeMux()
	mux.HandleFunc("/sign-in", func(w http.ResponseWriter, r *http.Request) { sessions.Put(r.Context(), "user", "ada") })
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		sessions.Put(r.Context(), "before", "kept")
		io.WriteString(w, "first")
		sessions.Put(r.Context(), "after", "kept")
		io.WriteString(w, "last")
	})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q, before %q, after %q", sessions.GetString(r.Context(), "user"), sessions.GetString(r.Context(), "before"), sessions.GetString(r.Context(), "after"))
	})
	server := httptest.NewServer(sessions.LoadAndSave(mux))
	defer server.Close()
	jar, _ := cookiejar.New(nil)
	client := http.Client{Jar: jar}
	for _, path := range []string{"/sign-in", "/write", "/read"} {
		response, err := client.Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if path == "/read" {
			fmt.Printf("scs: %s\n", body)
		}
	}
}
GO
cat >ask.mjs <<'JS'
import express from "express";
import session from "express-session";
const app = express();
app.use(session({ secret: "secret", resave: false, saveUninitialized: false }));
app.get("/sign-in", (request, response) => { request.session.user = "ada"; response.end(); });
app.get("/write", (request, response) => {
  request.session.before = "kept";
  response.write("first");
  request.session.after = "kept";
  response.end("last");
});
app.get("/read", ({ session: { user, before, after } }, response) => { response.end(`user "${user}", before "${before}", after "${after}"`); });
const server = app.listen(0, "127.0.0.1");
await new Promise((done) => server.once("listening", done));
const url = `http://127.0.0.1:${server.address().port}`;
const cookie = (await fetch(`${url}/sign-in`)).headers.getSetCookie()[0].split(";")[0];
await (await fetch(`${url}/write`, { headers: { cookie } })).text();
console.log(`express-session: ${await (await fetch(`${url}/read`, { headers: { cookie } })).text()}`);
server.closeAllConnections();
server.close();
JS
go mod tidy >/dev/null 2>&1
out=$(go run . && timeout -k 5 60 node ask.mjs)
echo "$out"
want='scs: user "ada", before "kept", after ""
express-session: user "ada", before "kept", after "kept"'
[ "$out" = "$want" ]
echo "as stated"

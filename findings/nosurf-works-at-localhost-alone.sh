#!/usr/bin/env bash
# CSRF middlewares for Go, and a page's own form over plain http: at http://localhost, and at http://app.lan, a name of the local network.
#
# A guess: each compares the form's token with its cookie, and an Origin with the Host of the request. A page's own form passes, under both names.
# Behaviour: gorilla/csrf 1.7.3 refuses it under both: it takes its own origin to be https://, unless a request is marked with PlaintextHTTPRequest,
# and its option Secure(false) is about the cookie. nosurf 1.2 does the same, but goes by Sec-Fetch-Site first, and Chromium sends that header
# to https and to localhost only. So what passes on each developer's machine fails in the first test installation without TLS, and
# for curl. Echo, net/http's CrossOriginProtection and filippo.io/csrf let both through.
#
# Seen with gorilla/csrf 1.7.3, nosurf 1.2.0, Echo 4.13.4 and filippo.io/csrf 0.2.1 on Go 1.26, and Chromium 156 from Debian 12.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund playwright-core@1.56.1
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	filippo.io/csrf v0.2.1
	github.com/gorilla/csrf v1.7.3
	github.com/justinas/nosurf v1.2.0
	github.com/labstack/echo/v4 v4.13.4
)
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"

	"filippo.io/csrf"
	gorilla "github.com/gorilla/csrf"
	"github.com/justinas/nosurf"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

const form = `<!doctype html><link rel=icon href=data:,><form method=post><input type=hidden name=%s value="%s"><button>Send</button></form>`

func app(field string, token func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			fmt.Fprint(w, "passes")
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, form, field, token(r))
	})
}

func main() {
	none := func(*http.Request) string { return "" }
	withEcho := echo.New()
	withEcho.Use(middleware.CSRFWithConfig(middleware.CSRFConfig{TokenLookup: "form:_csrf"}))
	withEcho.GET("/", func(c echo.Context) error { return c.HTML(200, fmt.Sprintf(form, "_csrf", c.Get("csrf"))) })
	withEcho.POST("/", func(c echo.Context) error { return c.String(200, "passes") })
	handlers := map[string]http.Handler{
		"gorilla":  gorilla.Protect(bytes.Repeat([]byte("k"), 32), gorilla.Secure(false), gorilla.Path("/"))(app("gorilla.csrf.Token", gorilla.Token)),
		"nosurf":   nosurf.New(app("csrf_token", nosurf.Token)),
		"Echo":     withEcho,
		"net/http": http.NewCrossOriginProtection().Handler(app("none", none)),
		"filippo":  csrf.New().Handler(app("none", none)),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.WriteFile("port.new", fmt.Append(nil, listener.Addr().(*net.TCPAddr).Port), 0o644)
	os.Rename("port.new", "port")
	http.Serve(listener, handlers[os.Args[1]])
}
GO
go mod tidy >/dev/null 2>&1
go build -o app .
cat >send.mjs <<'JS'
import { chromium } from "playwright-core";
const [name, port] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP app.lan 127.0.0.1, MAP localhost 127.0.0.1"] });
const page = await browser.newPage();
const seen = [];
for (const host of ["localhost", "app.lan"]) {
  await page.goto(`http://${host}:${port}/`);
  const [answer] = await Promise.all([page.waitForResponse((response) => response.request().method() === "POST"), page.click("button")]);
  const sent = await answer.request().allHeaders();
  seen.push(`${host} ${answer.ok() ? "passes" : answer.status()}`);
  if (sent.origin !== `http://${host}:${port}` || (sent["sec-fetch-site"] === undefined) !== (host === "app.lan")) throw new Error(JSON.stringify(sent));
}
console.log(`${name}: ${seen.join(", ")}`);
await browser.close();
JS
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
for name in gorilla nosurf Echo net/http filippo; do
  rm -f port
  ./app "$name" 2>/dev/null &
  server=$!
  for _ in $(seq 300); do [ -e port ] && break; sleep 0.1; done
  node send.mjs "$name" "$(cat port)" 2>/dev/null
  kill "$server"
  wait "$server" 2>/dev/null || true
done >out
cat out
want='gorilla: localhost 403, app.lan 403
nosurf: localhost passes, app.lan 400
Echo: localhost passes, app.lan passes
net/http: localhost passes, app.lan passes
filippo: localhost passes, app.lan passes'
[ "$(cat out)" = "$want" ]
echo "as stated"

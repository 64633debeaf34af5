#!/usr/bin/env bash
# Fiber 2 and 3 beside net/http: who is signed in, put into a request's context on one side of an adaptor and read on the other.
#
# A guess: a request's context goes through every adaptor, as it does through gin's, echo's and net/http's own. At the least, what
# SetUserContext (Fiber 2) or SetContext (Fiber 3) has set reaches a net/http handler that is mounted.
# Behaviour: no adaptor of Fiber hands on a context.Context. adaptor.FiberApp below a net/http middleware starts with an empty one, in
# both versions; adaptor.HTTPHandler gives the net/http handler what c.Locals holds, also under a key of an unexported type, and nothing of
# SetUserContext or SetContext. adaptor.HTTPMiddleware copies the middleware's values back into the Locals, so they are in Fiber 2's
# c.Context() (3: c.RequestCtx()) and not in c.UserContext() (3: c.Context()), which is what handlers give to their queries. Nothing
# fails: the handler finds no account and takes the request for one of a stranger.
#
# Seen with github.com/gofiber/fiber/v2 v2.52.9, github.com/gofiber/fiber/v3 v3.0.0, github.com/gin-gonic/gin v1.11.0,
# github.com/labstack/echo/v4 v4.13.4 and Go 1.26.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require (
	github.com/gin-gonic/gin v1.11.0
	github.com/gofiber/fiber/v2 v2.52.9
	github.com/gofiber/fiber/v3 v3.0.0
	github.com/labstack/echo/v4 v4.13.4
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	fiber3 "github.com/gofiber/fiber/v3"
	adaptor3 "github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/labstack/echo/v4"
)

type key struct{}

func who(c context.Context) string {
	if name, ok := c.Value(key{}).(string); ok {
		return name
	}
	return "a stranger"
}

// signedIn is a net/http middleware that knows who asks.
func signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(with(r.Context())))
	})
}

func with(c context.Context) context.Context { return context.WithValue(c, key{}, "ada") }

// whoAsks is a net/http handler that wants to know it.
var whoAsks = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, who(r.Context())) })

func both(c *fiber.Ctx) error {
	return c.SendString(fmt.Sprint("UserContext ", who(c.UserContext()), ", Context ", who(c.Context())))
}

func both3(c fiber3.Ctx) error {
	return c.SendString(fmt.Sprint("Context ", who(c.Context()), ", RequestCtx ", who(c.RequestCtx())))
}

func main() {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.GET("/", func(c *gin.Context) { c.String(200, who(c.Request.Context())) })
	under("gin", g)
	e := echo.New()
	e.GET("/", func(c echo.Context) error { return c.String(200, who(c.Request().Context())) })
	under("echo", e)
	f := fiber.New()
	f.Get("/", both)
	under("Fiber 2", adaptor.FiberApp(f))
	f3 := fiber3.New()
	f3.Get("/", both3)
	under("Fiber 3", adaptor3.FiberApp(f3))

	e = echo.New()
	e.Use(echo.WrapMiddleware(signedIn))
	e.GET("/", func(c echo.Context) error { return c.String(200, who(c.Request().Context())) })
	s := httptest.NewServer(e)
	show("echo with the middleware", s.URL)
	s.Close()
	fibers := []struct {
		name  string
		first any
		last  any
	}{
		{"SetUserContext, then net/http", func(c *fiber.Ctx) error { c.SetUserContext(with(c.UserContext())); return c.Next() }, adaptor.HTTPHandler(whoAsks)},
		{"Locals, then net/http", func(c *fiber.Ctx) error { c.Locals(key{}, "ada"); return c.Next() }, adaptor.HTTPHandler(whoAsks)},
		{"with the middleware", adaptor.HTTPMiddleware(signedIn), both},
	}
	for _, way := range fibers {
		app := fiber.New(fiber.Config{DisableStartupMessage: true})
		app.Use(way.first)
		app.Get("/", handler(way.last))
		l := listen()
		go app.Listener(l)
		show("Fiber 2, "+way.name, "http://"+l.Addr().String())
		must(app.Shutdown())
	}
	threes := []struct {
		name        string
		first, last fiber3.Handler
	}{
		{"SetContext, then net/http", func(c fiber3.Ctx) error { c.SetContext(with(c.Context())); return c.Next() }, adaptor3.HTTPHandler(whoAsks)},
		{"Locals, then net/http", func(c fiber3.Ctx) error { c.Locals(key{}, "ada"); return c.Next() }, adaptor3.HTTPHandler(whoAsks)},
		{"with the middleware", adaptor3.HTTPMiddleware(signedIn), both3},
	}
	for _, way := range threes {
		app := fiber3.New()
		app.Use(way.first)
		app.Get("/", way.last)
		l := listen()
		go app.Listener(l, fiber3.ListenConfig{DisableStartupMessage: true})
		show("Fiber 3, "+way.name, "http://"+l.Addr().String())
		must(app.Shutdown())
	}
}

func handler(h any) fiber.Handler {
	if f, ok := h.(func(*fiber.Ctx) error); ok {
		return f
	}
	return h.(fiber.Handler)
}

func under(name string, h http.Handler) {
	s := httptest.NewServer(signedIn(h))
	defer s.Close()
	show(name+" below the middleware", s.URL)
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	return l
}

func show(name, url string) {
	r, err := http.Get(url)
	must(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(err)
	fmt.Printf("%s: %s\n", name, b)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go mod tidy >/dev/null 2>&1
out=$(go run .)
echo "$out"
want='gin below the middleware: ada
echo below the middleware: ada
Fiber 2 below the middleware: UserContext a stranger, Context a stranger
Fiber 3 below the middleware: Context a stranger, RequestCtx a stranger
echo with the middleware: ada
Fiber 2, SetUserContext, then net/http: a stranger
Fiber 2, Locals, then net/http: ada
Fiber 2, with the middleware: UserContext a stranger, Context ada
Fiber 3, SetContext, then net/http: a stranger
Fiber 3, Locals, then net/http: ada
Fiber 3, with the middleware: Context a stranger, RequestCtx ada'
[ "$out" = "$want" ]
echo "as stated"

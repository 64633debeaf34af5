package routers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/examples/routers"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// hello answers who asks.
func hello(w http.ResponseWriter, r *http.Request) {
	who, err := auth.FromContext(r.Context())
	if err != nil {
		auth.WriteError(w, r, err)
		return
	}
	fmt.Fprintln(w, "hello,", who.User.Username)
}

func Example_netHTTP() {
	demo(func() http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /hello", auth.Require(http.HandlerFunc(hello)))
		mux.Handle("GET /orders", auth.RequirePermission("shop.view_order")(http.HandlerFunc(hello)))
		return mux
	})
	// Output:
	// a visitor: /hello is answered 401
	// ada: /hello is answered 200 hello, ada
	// ada: /orders is answered 403
}

func Example_chi() {
	demo(func() http.Handler {
		r := chi.NewRouter()
		r.With(auth.Require).Get("/hello", hello)
		r.With(auth.RequirePermission("shop.view_order")).Get("/orders", hello)
		return r
	})
	// Output:
	// a visitor: /hello is answered 401
	// ada: /hello is answered 200 hello, ada
	// ada: /orders is answered 403
}

func Example_gin() {
	demo(func() http.Handler {
		gin.SetMode(gin.ReleaseMode)
		r := gin.New()
		r.GET("/hello", routers.Gin(auth.Require), gin.WrapF(hello))
		r.GET("/orders", routers.Gin(auth.RequirePermission("shop.view_order")), gin.WrapF(hello))
		return r
	})
	// Output:
	// a visitor: /hello is answered 401
	// ada: /hello is answered 200 hello, ada
	// ada: /orders is answered 403
}

func Example_echo() {
	demo(func() http.Handler {
		e := echo.New()
		e.GET("/hello", echo.WrapHandler(http.HandlerFunc(hello)), echo.WrapMiddleware(auth.Require))
		e.GET("/orders", echo.WrapHandler(http.HandlerFunc(hello)), echo.WrapMiddleware(auth.RequirePermission("shop.view_order")))
		return e
	})
	// Output:
	// a visitor: /hello is answered 401
	// ada: /hello is answered 200 hello, ada
	// ada: /orders is answered 403
}

// A program learns what happens to its users, after the fact.
func Example_events() {
	seen := make(chan string, 10)
	server := httptest.NewUnstartedServer(nil)
	defer server.Close()
	srv, stop := open(cloakroom.Config{URL: "http://" + server.Listener.Addr().String(), OnEvent: func(e audit.Event) {
		if e.Is(audit.SessionKinds.Created) {
			seen <- e.Subject // the user's ID
		}
	}})
	defer stop()
	server.Config.Handler = srv.Handler(http.NotFoundHandler())
	server.Start()
	signIn(srv, server.URL)
	fmt.Println("a session for user", <-seen)
	// Output:
	// a session for user 1
}

// A program that is told to stop answers the requests in flight, ends the streams, writes the last events and closes the databases.
func Example_shutdown() {
	c := config(cloakroom.Config{})
	defer os.RemoveAll(c.Data)
	srv, err := cloakroom.New(context.Background(), c)
	if err != nil {
		fmt.Println(err)
		return
	}
	background, stopBackground := context.WithCancel(context.Background())
	defer stopBackground()
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(background) }()

	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: srv.Handler(http.NotFoundHandler()), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	// Later, after SIGTERM: signal.NotifyContext.
	srv.MarkUnready() // /readyz says 503, so that a load balancer sends no more
	srv.Drain()       // event streams end
	fmt.Println("requests are answered:", server.Shutdown(context.Background()))
	fmt.Println("the listener is closed:", errors.Is(<-served, http.ErrServerClosed))
	stopBackground() // only now: requests need what Run does
	fmt.Println("the background work ended:", <-ended)
	fmt.Println("the databases are closed:", srv.Close())
	// Output:
	// requests are answered: <nil>
	// the listener is closed: true
	// the background work ended: <nil>
	// the databases are closed: <nil>
}

// config adds to a Config that everything is in memory, but for the key file. A program names a database instead.
func config(c cloakroom.Config) cloakroom.Config {
	data, err := os.MkdirTemp("", "cloakroom-example-*")
	if err != nil {
		panic(err)
	}
	c.Data, c.Stores, c.Log = data, &memory.New().Set, slog.New(slog.DiscardHandler)
	return c
}

// open returns a running server, and what stops it.
func open(c cloakroom.Config) (srv *cloakroom.Server, stop func()) {
	c = config(c)
	srv, err := cloakroom.New(context.Background(), c)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	return srv, func() {
		cancel()
		if err := errors.Join(<-ended, srv.Close(), os.RemoveAll(c.Data)); err != nil {
			fmt.Println(err)
		}
	}
}

// signIn makes the user ada, and returns a client with a session of hers.
func signIn(srv *cloakroom.Server, base string) *http.Client {
	const password = "purple canary drinks tea 71"
	if _, err := srv.Accounts.Create(context.Background(), account.NewUser{Username: "ada", Password: password}); err != nil {
		panic(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	client := &http.Client{Jar: jar}
	r, err := http.NewRequest("POST", base+"/api/auth/login", strings.NewReader(`{"username":"ada","password":"`+password+`"}`))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		fmt.Println("the sign-in is answered", answer.Status)
	}
	return client
}

// demo asks a program's routes as a visitor and as ada, who has no permissions.
func demo(router func() http.Handler) {
	server := httptest.NewUnstartedServer(nil)
	defer server.Close()
	srv, stop := open(cloakroom.Config{URL: "http://" + server.Listener.Addr().String()})
	defer stop()
	server.Config.Handler = srv.Handler(router())
	server.Start()
	ada := signIn(srv, server.URL)
	for _, q := range []struct {
		name   string
		client *http.Client
		path   string
	}{{"a visitor", http.DefaultClient, "/hello"}, {"ada", ada, "/hello"}, {"ada", ada, "/orders"}} {
		answer, err := q.client.Get(server.URL + q.path)
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			body = nil
		}
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s: %s is answered %d %s", q.name, q.path, answer.StatusCode, bytes.TrimSpace(body))))
	}
}

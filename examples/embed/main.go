// Command embed is a Go API that includes all of Cloakroom: users, pages and sessions.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/auth"
)

func main() {
	listen := cmp.Or(os.Getenv("LISTEN"), "localhost:8000")
	srv, err := cloakroom.New(context.Background(), cloakroom.Config{URL: "http://" + listen})
	if err != nil {
		log.Fatal(err)
	}
	link, _ := srv.SetupLink(context.Background())
	fmt.Println("create the first administrator:", link)
	http.Handle("GET /api/hello", auth.Require(http.HandlerFunc(hello)))
	go srv.Run(context.Background())
	log.Fatal(http.ListenAndServe(listen, srv.Handler(http.DefaultServeMux)))
}

func hello(w http.ResponseWriter, r *http.Request) {
	who, _ := auth.FromContext(r.Context()) // auth.Require guarantees an identity
	fmt.Fprintln(w, "hello,", who.User.Username)
}

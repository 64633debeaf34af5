// Command ownstore is Cloakroom with the sessions in a store of its own, and everything else in SQLite.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

func main() {
	listen := cmp.Or(os.Getenv("LISTEN"), "localhost:8000")
	db, err := sqlite.Open(context.Background(), "ownstore-data/cloakroom.db")
	if err != nil {
		log.Fatal(err)
	}
	stores := db.Set
	stores.Sessions = NewSessions()
	srv, err := cloakroom.New(context.Background(), cloakroom.Config{
		URL: "http://" + listen, Data: "ownstore-data", Stores: &stores, Ping: db.Ping,
	})
	if err != nil {
		log.Fatal(err)
	}
	link, _ := srv.SetupLink(context.Background())
	fmt.Println("create the first administrator:", link)
	go srv.Run(context.Background())
	log.Fatal(http.ListenAndServe(listen, srv.Handler(nil)))
}

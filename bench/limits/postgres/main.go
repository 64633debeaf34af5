// Command postgres is the least that can be ready on PostgreSQL: it opens one connection, reads a row, and answers 200 to every request. It
// is compared with the start of the server and its memory.
//
//	postgres ADDRESS URL
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"
)

func main() {
	ctx := context.Background()
	db, err := pgx.Connect(ctx, os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var tables int
	if err := db.QueryRow(ctx, "SELECT count(*) FROM pg_class").Scan(&tables); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
}

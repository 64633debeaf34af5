// Command sqlite is the least that can be ready on an SQLite file: it opens the file, reads a row, and answers 200 to every request. It is
// compared with the start of the server and its memory.
//
//	sqlite ADDRESS FILE
package main

import (
	"database/sql"
	"log"
	"net/http"
	"os"

	_ "modernc.org/sqlite"
)

func main() {
	db, err := sql.Open("sqlite", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var tables int
	if err := db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
}

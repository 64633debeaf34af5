// Command libraries does nothing. Its build is what the server's build can't do without: a server for HTTPS and the clients of the three
// databases. It is compared with the build of the server from an empty cache.
package main

import (
	_ "net/http"

	_ "github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/redis/rueidis"
	_ "modernc.org/sqlite"
)

func main() {}

#!/usr/bin/env bash
# One SQLite file, opened in one Go program by modernc.org/sqlite and by ncruces/go-sqlite3, as happens when a library brings the other one.
#
# A guess: SQLite's documentation warns that two copies in a process undo each other's locks, so both write at the same time
# and the file is damaged in silence sooner or later.
# Behaviour: these two see each other, because one takes locks of the process and the other locks of the open file. With a rollback journal
# both read and write in turns, and "database is locked" stands where it should. With WAL the one that comes second can do nothing:
# "locking protocol", reads included. In two processes the same two work together with WAL as well.
#
# Seen with modernc.org/sqlite 1.62.0 and ncruces/go-sqlite3 0.37.0 on Go 1.26, Linux.
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"

	_ "github.com/ncruces/go-sqlite3/driver"
	_ "modernc.org/sqlite"
)

func open(driver, address string) *sql.DB {
	db, err := sql.Open(driver, address)
	if err != nil {
		panic(err)
	}
	return db
}

func ncruces(file string) {
	db := open("sqlite3", "file:"+file+"?_pragma=busy_timeout(1000)")
	_, err := db.Exec("INSERT INTO t VALUES (2)")
	var n int
	read := db.QueryRow("SELECT count(*) FROM t").Scan(&n)
	fmt.Printf("ncruces writes: %v, reads: %d %v\n", err, n, read)
	db.Close()
}

func main() {
	if len(os.Args) > 1 {
		ncruces(os.Args[1])
		return
	}
	for _, mode := range []string{"delete", "wal"} {
		file := mode + ".db"
		db := open("sqlite", file+"?_pragma=busy_timeout(1000)&_pragma=journal_mode("+mode+")")
		if _, err := db.Exec("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1)"); err != nil {
			panic(err)
		}
		fmt.Println(mode+", the same process:")
		ncruces(file)
		tx, err := db.Begin()
		if err != nil {
			panic(err)
		}
		_, err = tx.Exec("INSERT INTO t VALUES (3)")
		fmt.Println("modernc writes, in a transaction that stays open:", err)
		if mode == "delete" {
			ncruces(file)
		}
		fmt.Println("modernc commits:", tx.Commit())
		fmt.Println(mode+", another process:")
		command := exec.Command(os.Args[0], file)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		command.Run()
		db.Close()
	}
}
GO
export GOFLAGS=-mod=mod GOTOOLCHAIN=local GOMODCACHE=${GOMODCACHE:-$(go env GOMODCACHE)}
go mod init try >/dev/null 2>&1
go get modernc.org/sqlite@v1.62.0 github.com/ncruces/go-sqlite3@v0.37.0 >/dev/null 2>&1
go build -o try . && out=$(timeout 120 ./try)
echo "$out"
want='delete, the same process:
ncruces writes: <nil>, reads: 2 <nil>
modernc writes, in a transaction that stays open: <nil>
ncruces writes: sqlite3: database is locked, reads: 2 <nil>
modernc commits: <nil>
delete, another process:
ncruces writes: <nil>, reads: 4 <nil>
wal, the same process:
ncruces writes: sqlite3: locking protocol, reads: 0 sqlite3: locking protocol
modernc writes, in a transaction that stays open: <nil>
modernc commits: <nil>
wal, another process:
ncruces writes: <nil>, reads: 3 <nil>'
[ "$out" = "$want" ]
echo "as stated"

package sqlite

import (
	"context"
	"database/sql"
)

// Pools are the connections of a DB.
func (db *DB) Pools() (read, write *sql.DB) { return db.read, db.write }

// ConnectWith connects with one setting more than usual, which must read as given.
func ConnectWith(ctx context.Context, path, name, value, reads string) error {
	u := reading
	u.settings = append([]setting{{name, value, reads}}, u.settings...)
	db := pool(path, u)
	defer db.Close()
	return db.PingContext(ctx)
}

// Log is a log whose state is the test's to say.
type Log struct {
	header  walHeader
	Commits Commits
}

func NewLog() *Log {
	l := &Log{}
	l.Commits.known.Store(&counted{})
	l.Commits.index.Store(&walIndex{words: &l.header})
	return l
}

// Commit is the change that anybody's COMMIT makes.
func (l *Log) Commit() {
	l.header[1] = l.header[1]&^0xffffffff | uint64(l.header.number()+1)
	l.header[5]++
}

// Begin, Hook and End are the steps of a commit of this process's own.
func (l *Log) Begin()        { l.Commits.begin() }
func (l *Log) Hook()         { l.Commits.commits() }
func (l *Log) End(err error) { l.Commits.end(err) }

package server_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/store"
)

const goodPassword = "correct horse battery staple"

// goodHash is the program's own hash of goodPassword.
var goodHash = sync.OnceValues(func() (string, error) {
	return (&password.Hasher{}).Hash(context.Background(), goodPassword)
})

// stores is a database that a test has opened.
type stores struct {
	store.Set
	Close func() error
}

// stores opens the server's database as a second server would.
func (s *server) stores() stores {
	s.t.Helper()
	if s.db == "" {
		db, err := sqlite.Open(s.t.Context(), s.database())
		if err != nil {
			s.t.Fatal(err)
		}
		return stores{db.Set, db.Close}
	}
	db, err := postgres.Open(s.t.Context(), s.db)
	if err != nil {
		s.t.Fatal(err)
	}
	return stores{db.Set, db.Close}
}

// people makes users in the server's own database, beside it, all with goodPassword: name0, name1 …
func (s *server) people(name string, n int) (all []*account.User) {
	s.t.Helper()
	hash, err := goodHash()
	if err != nil {
		s.t.Fatal(err)
	}
	db := s.stores()
	defer db.Close()
	for i := range n {
		u := &account.User{
			Username: fmt.Sprintf("%s%d", name, i), Password: hash, IsActive: true,
			DateJoined: time.Now().Unix(), Epoch: fmt.Sprintf("epoch of %s%d", name, i),
		}
		if err := db.Accounts.Create(s.t.Context(), u); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

// person makes one user.
func (s *server) person(name string) *account.User { return s.people(name, 1)[0] }

// give makes a session for each of the users in the server's database, as a sign-in would, and returns the tickets.
func (s *server) give(users ...*account.User) (tickets []string) {
	s.t.Helper()
	db := s.stores()
	defer db.Close()
	now := time.Now().Unix()
	for _, u := range users {
		secret := make([]byte, 32)
		rand.Read(secret)
		err := db.Sessions.Create(s.t.Context(), &session.Record{
			ID: sha256.Sum256(secret), PublicID: rand.Text(), User: u.ID, Epoch: u.Epoch, Method: session.Intern("password"),
			Created: now, ReauthenticatedAt: now, Seen: now, Idle: 3600, Deadline: now + 36000, Expires: now + 3600,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		tickets = append(tickets, base64.RawURLEncoding.EncodeToString(secret))
	}
	return tickets
}

// madeUp returns the ticket of a session that never was. No node can know it without asking the store.
func madeUp() string {
	secret := make([]byte, 32)
	rand.Read(secret)
	return base64.RawURLEncoding.EncodeToString(secret)
}

// open opens the server's file as another program would.
func (s *server) open() *sql.DB { return openFile(s.t, s.database()) }

func openFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// age moves every session in the file into the past by a duration.
func (s *server) age(db *sql.DB, d time.Duration) {
	s.t.Helper()
	seconds := int(d.Seconds())
	_, err := db.ExecContext(s.t.Context(), `UPDATE sessions SET created = created - $1, seen = seen - $1,
		expires = expires - $1, deadline = deadline - $1, fresh = fresh - $1`, seconds)
	if err != nil {
		s.t.Fatal(err)
	}
}

// whole checks the integrity of the file.
func whole(t *testing.T, path string) {
	t.Helper()
	var verdict string
	if err := openFile(t, path).QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"

	"golang.org/x/crypto/bcrypt"

	"github.com/cloakroom-auth/cloakroom/session"
)

var errWrong = errors.New("wrong name or password")

// users is a table of users, as in any program. The sessions need only its epoch column: a number that is increased to end
// every session of a user.
type users struct{ db *sql.DB }

func openUsers(path string) users {
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(`CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, hash BLOB, epoch INTEGER)`)
	}
	if err != nil {
		log.Fatal(err)
	}
	u := users{db}
	if epoch, err := u.Epoch(context.Background(), "ada"); epoch == "" && err == nil {
		if _, err := u.setPassword(context.Background(), "ada", "correct horse battery"); err != nil {
			log.Fatal(err)
		}
	}
	return u
}

// Epoch implements session.Epochs. Each check of a session compares the epoch with that of its sign-in.
func (u users) Epoch(ctx context.Context, name string) (epoch string, err error) {
	err = u.db.QueryRowContext(ctx, `SELECT epoch FROM users WHERE name = ?`, name).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return epoch, err
}

// verify reads the epoch together with the hash, so that a sign-in with the old password during a password change doesn't
// outlive the change.
func (u users) verify(ctx context.Context, name, password string) (epoch string, err error) {
	var hash []byte
	err = u.db.QueryRowContext(ctx, `SELECT hash, epoch FROM users WHERE name = ?`, name).Scan(&hash, &epoch)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", errWrong
	case err != nil:
		return "", err
	case bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil:
		return "", errWrong
	}
	return epoch, nil
}

// setPassword stores the hash and increases the epoch in one statement.
func (u users) setPassword(ctx context.Context, name, password string) (epoch string, err error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", err
	}
	err = u.db.QueryRowContext(ctx, `INSERT INTO users VALUES (?, ?, 1)
		ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, epoch = epoch + 1 RETURNING epoch`, name, hash).Scan(&epoch)
	return epoch, err
}

// signedIn calls f for signed-in users only. If the store can't answer, the user is not signed out: the answer is 503, and
// the cookie stays.
func signedIn(f func(http.ResponseWriter, *http.Request, *session.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch s, err := session.FromContext(r.Context()); {
		case err != nil:
			answer(w, "", err)
		case s == nil:
			answer(w, "", session.ErrEnded)
		default:
			f(w, r, s)
		}
	}
}

func answer(w http.ResponseWriter, text string, err error) {
	switch {
	case err == nil:
		fmt.Fprintln(w, text)
	case errors.Is(err, errWrong), errors.Is(err, session.ErrEnded):
		http.Error(w, err.Error(), http.StatusUnauthorized)
	default:
		w.Header().Set("Retry-After", "2")
		http.Error(w, "try again shortly", http.StatusServiceUnavailable)
	}
}

// Command sessionsonly has its users in its own table, and uses Cloakroom for the sessions only.
package main

import (
	"cmp"
	"context"
	"log"
	"net/http"
	"os"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

func main() {
	users := openUsers("users.db") // the program's own users: see users.go
	db, err := sqlite.Open(context.Background(), "sessions.db")
	if err != nil {
		log.Fatal(err)
	}
	m := &session.Manager{Store: db.Sessions, Accounts: users, InsecureHTTP: true} // plain http on this machine
	go m.Run(context.Background())

	http.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		epoch, err := users.verify(r.Context(), r.FormValue("name"), r.FormValue("password"))
		if err == nil {
			_, err = m.SignIn(w, r, session.SignIn{User: r.FormValue("name"), Epoch: epoch, Method: "password"})
		}
		answer(w, "welcome", err)
	})
	http.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { answer(w, "bye", m.SignOut(w, r)) })
	http.HandleFunc("GET /me", signedIn(func(w http.ResponseWriter, r *http.Request, s *session.Session) { answer(w, s.User, nil) }))
	http.HandleFunc("POST /password", signedIn(func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		epoch, err := users.setPassword(r.Context(), s.User, r.FormValue("password")) // ends every session …
		if err == nil {
			_, err = m.Reauthenticate(w, r, session.Reauthentication{Epoch: epoch}) // … but this one
		}
		answer(w, "changed", err)
	}))
	handler := http.NewCrossOriginProtection().Handler(m.Handler(http.DefaultServeMux))
	log.Fatal(http.ListenAndServe(cmp.Or(os.Getenv("LISTEN"), "localhost:8080"), handler))
}

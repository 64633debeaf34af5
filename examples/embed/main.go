// Command embed keeps its users itself and leaves the sessions to Cloakroom.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

func main() {
	db, err := sqlite.Open(context.Background(), "sessions.db")
	if err != nil {
		log.Fatal(err)
	}
	users := openUsers("users.db")
	m := &session.Manager{Store: db.Sessions(), Accounts: users, InsecureHTTP: true} // plain http: on this machine only
	go m.Run(context.Background())

	http.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if epoch, ok := users.verify(r.FormValue("name"), r.FormValue("password")); !ok {
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
		} else if _, err := m.SignIn(w, r, session.SignIn{User: r.FormValue("name"), Epoch: epoch, Method: "password"}); err != nil {
			http.Error(w, "try again shortly", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("GET /", signedIn(func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		fmt.Fprintln(w, "hello,", s.User)
	}))
	http.HandleFunc("POST /password", signedIn(func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		if epoch, err := users.setPassword(s.User, r.FormValue("password")); err != nil {
			http.Error(w, "try again shortly", http.StatusServiceUnavailable)
		} else if _, err := m.Reauthenticate(w, r, epoch); err != nil { // every other session ended with the old epoch
			http.Error(w, "changed; please sign in again", http.StatusUnauthorized)
		}
	}))
	protected := http.NewCrossOriginProtection().Handler(m.Handler(http.DefaultServeMux))
	log.Fatal(http.ListenAndServe("localhost:8080", protected))
}

// signedIn lets only signed-in users through. A store that can't answer is no sign-out: 503, and the cookie stays.
func signedIn(f func(http.ResponseWriter, *http.Request, *session.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch s, err := session.FromContext(r.Context()); {
		case err != nil:
			http.Error(w, "try again shortly", http.StatusServiceUnavailable)
		case s == nil:
			http.Error(w, "sign in first", http.StatusUnauthorized)
		default:
			f(w, r, s)
		}
	}
}

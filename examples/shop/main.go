// Command shop is a Go program with its own orders, and with the users of Cloakroom, in one database file: people sign up, sign in with a
// password, a passkey or Google, and are sent mail by the program.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	_ "modernc.org/sqlite"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/mail"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:shop.db?_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	config := cloakroom.Config{
		URL: "http://localhost:8000", SQLite: db, Signup: "open", SendMail: sender{}, OnEvent: happened,
		Providers: os.Args[1:], // such as google=google.json
	}
	if secret := os.Getenv("WEBHOOK_SECRET"); secret != "" {
		config.Webhooks = []cloakroom.Webhook{{URL: os.Getenv("WEBHOOK_URL"), Secrets: secret}}
	}
	srv, err := cloakroom.New(ctx, config)
	if err != nil {
		return err
	}
	defer srv.Close()
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS orders (
		user_id INTEGER NOT NULL REFERENCES cloakroom_users (id) ON DELETE CASCADE, what TEXT NOT NULL)`)
	if err != nil {
		return err
	}
	if link, err := srv.SetupLink(ctx); err == nil && link != "" {
		fmt.Println("There is no user yet. Make the first one at", link)
	}
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(background) }()
	server := &http.Server{Addr: "localhost:8000", Handler: srv.Handler(routes(db, srv.Accounts))}
	context.AfterFunc(ctx, func() {
		srv.Drain() // event streams end
		_ = server.Shutdown(background)
		end() // only now: requests need what Run does
	})
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return <-ended
}

func routes(db *sql.DB, accounts *account.Service) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /orders", auth.Require(order(db)))
	mux.Handle("POST /plan/{id}", auth.RequirePermission("shop.set_plan")(plan(accounts)))
	return mux
}

func order(db *sql.DB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, _ := auth.FromContext(r.Context()) // auth.Require has seen to it that there is one
		what := r.FormValue("what")
		if what == "" {
			auth.WriteError(w, r, &auth.Refusal{Status: http.StatusBadRequest, Code: "no_order", Detail: "Say what you want."})
			return
		}
		if _, err := db.ExecContext(r.Context(), `INSERT INTO orders VALUES (?, ?)`, who.User.ID, what); err != nil {
			auth.WriteError(w, r, err) // logged; the answer is 503
			return
		}
		fmt.Fprintln(w, "thank you,", who.User.Username)
	}
}

// plan changes what a user sees as extra in /api/me.
func plan(accounts *account.Service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := accounts.Edit(r.Context(), r.PathValue("id"), func(u *account.User) error {
			u.Extra.Public = `{"plan":"pro"}`
			return nil
		})
		switch {
		case errors.Is(err, account.ErrNotFound):
			http.NotFound(w, r)
		case err != nil:
			auth.WriteError(w, r, err)
		}
	}
}

func happened(e audit.Event) {
	if e.Is(audit.UserKinds.Deleted) {
		log.Println("user", e.Subject, "is gone, and their orders with them")
	}
}

type sender struct{}

// Send passes a message on, by whatever the program has for that.
func (sender) Send(_ context.Context, m *mail.Message) error {
	log.Printf("mail to %s: %s\n%s", m.To, m.Subject, m.Text)
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/audit"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/csrf"
	"github.com/cloakroom-auth/cloakroom/internal/events"
	"github.com/cloakroom-auth/cloakroom/internal/httpapi"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/internal/reqinfo"
	"github.com/cloakroom-auth/cloakroom/internal/secondstep"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/postgres"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/sqlite"
	"github.com/cloakroom-auth/cloakroom/throttle"
	"github.com/cloakroom-auth/cloakroom/token"
)

// goodPassword is the password of every user.
const goodPassword = "correct horse battery staple"

// stores names the stores of a contender of ours.
func (b *bench) stores(ctx context.Context, s *spec) (err error) {
	_, kind, _ := strings.Cut(s.Name, "/")
	kind, _, _ = strings.Cut(kind, "/")
	switch {
	case (kind == "postgres" || s.Name == limitSignOut) && b.postgre == nil, kind == "redis" && b.redis == nil, s.Name == "scs-redis" && b.redis == nil:
		return errors.New("its database server was not started")
	case kind == "sqlite", kind == "redis":
		s.DB = "sqlite:" + filepath.Join(s.Dir, "cloakroom.db")
	case kind == "postgres", s.Name == limitSignOut:
		s.DB, err = b.postgre.Database(ctx)
	}
	if kind == "redis" {
		s.Sessions = b.redis.URL() + map[bool]string{true: "/1", false: "/2"}[strings.HasSuffix(s.Name, "/strict")]
	}
	if s.Name == limitRedis {
		s.Sessions = b.redis.URL() + "/3"
	}
	if s.Name == "scs-redis" {
		s.Sessions = b.redis.URL()
	}
	return err
}

// buildOurs assembles the whole server, as the command does.
func buildOurs(s spec, addr string) (http.Handler, []string, error) {
	log := slog.New(slog.DiscardHandler)
	if s.Name == "hash" {
		return hashing(s)
	}
	if strings.HasPrefix(s.Name, "me/memory/") {
		return inMemory(s, addr, log)
	}
	ctx := context.Background()
	server, err := cloakroom.New(ctx, config(s, addr, log))
	if err != nil {
		return nil, nil, err
	}
	go server.Run(ctx)
	accounts, err := openAccounts(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	credentials, err := populate(ctx, s, accounts, server.Sessions)
	return server.Handler(nil), credentials, err
}

// openAccounts opens the server's accounts a second time, to create users there.
func openAccounts(ctx context.Context, s spec) (account.Store, error) {
	if path, ok := strings.CutPrefix(s.DB, "sqlite:"); ok {
		db, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		return db.Accounts, nil
	}
	db, err := postgres.Open(ctx, s.DB)
	if err != nil {
		return nil, err
	}
	return db.Accounts, nil
}

// populate creates users and signs each of them in.
func populate(ctx context.Context, s spec, accounts account.Store, sessions *session.Manager) ([]string, error) {
	if s.People == 0 {
		return nil, nil
	}
	hash, err := (&password.Hasher{}).Hash(ctx, goodPassword)
	if err != nil {
		return nil, err
	}
	var credentials []string
	for n := range s.People {
		u := &account.User{
			Username: fmt.Sprintf("%s-%d", strings.ReplaceAll(s.Name, "/", "-"), n), Email: fmt.Sprintf("ada%d@%s.example.org", n, strings.ReplaceAll(s.Name, "/", "-")),
			FirstName: "Ada", LastName: "Lovelace", Password: hash, IsActive: true, DateJoined: time.Now().Unix(), Epoch: "first",
		}
		if err := accounts.Create(ctx, u); err != nil {
			return nil, err
		}
		w := httptest.NewRecorder()
		in := session.SignIn{User: u.ID, Epoch: u.Epoch, Method: "password", Fresh: true}
		if _, err := sessions.SignIn(w, httptest.NewRequest("POST", "/", nil), in); err != nil {
			return nil, err
		}
		credentials = append(credentials, cookie(w))
	}
	return credentials, nil
}

// inMemory assembles a server on package memory, which no --db selects.
func inMemory(s spec, addr string, log *slog.Logger) (http.Handler, []string, error) {
	ctx := context.Background()
	db := memory.New()
	ring, err := keyring.Create(filepath.Join(s.Dir, "secret.key"))
	if err != nil {
		return nil, nil, err
	}
	guard, err := csrf.New(csrf.Config{URL: "http://" + addr, Keys: func() [][]byte { return ring.Derive("csrf") }})
	if err != nil {
		return nil, nil, err
	}
	log = slog.New(reqinfo.LogHandler(log.Handler()))
	auditLog := &audit.Log{Text: log}
	sessionStore, accountStore, tokenStore := remembering(ctx, s, db)
	sessions := &session.Manager{Store: sessionStore, InsecureHTTP: true, Passive: httpapi.Passive, Audit: auditLog, Log: log}
	tokens := &token.Service{Store: tokenStore, Audit: auditLog, Log: log}
	who := auth.New(auth.Config{Sessions: sessions, Accounts: accountStore, Tokens: tokens})
	accounts := &account.Service{Store: accountStore, Hasher: &password.Hasher{}, Guard: &throttle.Guard{Store: db.Throttles}}
	hub := &events.Hub{Auth: who, Log: log}
	sessions.OnEnd, accounts.OnChange = hub.SessionsEnded, hub.Wake
	go sessions.Run(ctx)
	api := &httpapi.API{
		Steps:    &secondstep.Service{Factors: db.Factors, Signins: db.Signins, Accounts: accountStore, Log: log},
		Sessions: sessions, Accounts: accounts, Tokens: tokens, Auth: who, CSRF: guard, Client: reqinfo.Proxies{}, Keys: ring, Live: hub,
		Healthy: func(context.Context) error { return nil }, Audit: auditLog, Log: log,
	}
	credentials, err := populate(ctx, s, accountStore, sessions)
	return api.Handler(nil), credentials, err
}

// hashing verifies the same password for each request. Sign-ins can't be faster than this.
func hashing(s spec) (http.Handler, []string, error) {
	hasher := &password.Hasher{}
	hash, err := hasher.Hash(context.Background(), goodPassword)
	if err != nil {
		return nil, nil, err
	}
	write := writer(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if result, err := hasher.Verify(r.Context(), hash, goodPassword); err != nil || !result.Match {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		write(w, r)
	}), []string{""}, nil
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
)

var errNotYet = errors.New("this server answers every check from its store")

// able says what this server can't do.
func able(s spec) error {
	if strings.HasSuffix(s.Name, "/fenced") {
		return errNotYet
	}
	return nil
}

func config(s spec, addr string, log *slog.Logger) cloakroom.Config {
	return cloakroom.Config{URL: "http://" + addr, Data: s.Dir, DB: s.DB, Sessions: s.Sessions, Log: log}
}

// remembering returns who asks, from memory where the contender is fenced.
func remembering(_ context.Context, s spec, db *memory.DB, sessions *session.Manager) (*auth.Resolver, error) {
	if err := able(s); err != nil {
		return nil, err
	}
	return auth.New(sessions, db.Accounts()), nil
}

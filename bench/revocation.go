package main

import (
	"cmp"
	"context"
	"log/slog"
	"strings"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/internal/feed"
	"github.com/cloakroom-auth/cloakroom/internal/nearcache"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// revocation returns the mode in the contender's name: fenced or strict.
func revocation(s spec) string {
	if strings.HasSuffix(s.Name, "/strict") {
		return "strict"
	}
	return "fenced"
}

func config(s spec, addr string, log *slog.Logger) cloakroom.Config {
	c := cloakroom.Config{
		URL: "http://" + cmp.Or(s.Public, addr), Data: s.Dir, DB: s.DB, Sessions: s.Sessions, Revocation: revocation(s), MemoryBytes: s.Memory, Log: log,
		PeerListen: s.PeerListen,
	}
	if s.Upstream != "" {
		c.Upstreams = []string{s.Upstream}
	}
	if s.Public != "" {
		c.TrustedProxies = []string{"127.0.0.1"}
	}
	return c
}

// remembering returns the stores, with a near cache in front of them if the contender is fenced.
func remembering(ctx context.Context, s spec, db *memory.DB) (session.Store, account.Store, token.Store) {
	if revocation(s) == "strict" {
		return db.Sessions, db.Accounts, db.Tokens
	}
	cache := nearcache.New(nearcache.Config{Feed: feed.NewLocal()})
	go cache.Run(ctx)
	return cache.Sessions(db.Sessions), cache.Accounts(db.Accounts), cache.Tokens(db.Tokens)
}

package cloakroom_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestNumbersThatMakeNoSenseAreRefused: a negative retention would delete the whole audit log, and a time that was meant in seconds would
// end each session at once.
func TestNumbersThatMakeNoSenseAreRefused(t *testing.T) {
	for want, c := range map[string]cloakroom.Config{
		"Config.Idle is 3.6µs":                {Idle: 3600},
		"Config.Idle is -1s":                  {Idle: -time.Second},
		"Config.Lifetime is -1h0m0s":          {Lifetime: -time.Hour},
		"Config.Lifetime is 876001h0m0s":      {Lifetime: 876_001 * time.Hour},
		"Config.AuditRetention is -1ns":       {AuditRetention: -1},
		"Config.AuditRetention is 365ns":      {AuditRetention: 365},
		"Config.UpstreamTimeout is 30ns":      {UpstreamTimeout: 30},
		"Config.KnoxTTL is 10ns":              {KnoxTTL: 10},
		"Config.RedisMayLose is -1s":          {RedisMayLose: -time.Second},
		"Config.MaxSessions is -1":            {MaxSessions: -1},
		"Config.KnoxLimit is -1":              {KnoxLimit: -1},
		"Config.MemoryBytes is -1":            {MemoryBytes: -1},
		"Config.PasswordMinLength is 4":       {PasswordMinLength: 4},
		"Config.PasswordMinLength is 2000":    {PasswordMinLength: 2000},
		"Config.PasswordMinLength is -1":      {PasswordMinLength: -1},
		`Config.URL "https://:443" is not an`: {URL: "https://:443"},
		"Config.Stores replaces DB":           {Schema: "mine"},
		"":                                    {Idle: time.Second, Lifetime: time.Second, AuditRetention: time.Hour, KnoxTTL: -1, PasswordMinLength: 8},
	} {
		c.Data, c.Stores, c.Log = filepath.Join(t.TempDir(), "data"), &memory.New().Set, slog.New(slog.DiscardHandler)
		srv, err := cloakroom.New(t.Context(), c)
		if err == nil {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
		}
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("New: %v; want %q", err, want)
		}
		if _, made := os.Stat(c.Data); err != nil && made == nil {
			t.Errorf("%s: New has made the data directory", want)
		}
	}
	_, err := cloakroom.New(t.Context(), cloakroom.Config{Data: t.TempDir(), Ping: func(context.Context) error { return nil }})
	if err == nil || !strings.HasPrefix(err.Error(), "Config.Ping is for Config.Stores alone") {
		t.Errorf("Ping without Stores: %v", err)
	}
}

// TestARegistryIsFreeAfterCloseAndAfterAnError, so that a program can try again while its database is down.
func TestARegistryIsFreeAfterCloseAndAfterAnError(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := cloakroom.Config{Metrics: registry, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	down := c
	down.DB = "sqlite:" + t.TempDir() // a directory is no database
	first := func() error { _, err := cloakroom.New(t.Context(), down); return err }
	if one, two := first(), first(); one == nil || two == nil || one.Error() != two.Error() {
		t.Errorf("without a database: %v, and then %v", one, two)
	}
	for range 2 {
		srv, err := cloakroom.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		other := c
		other.Data = t.TempDir()
		if _, err := cloakroom.New(t.Context(), other); err == nil || !strings.Contains(err.Error(), "WrapRegistererWith") {
			t.Errorf("two servers in one registry: %v", err)
		}
		if got, err := registry.Gather(); err != nil || len(got) == 0 {
			t.Errorf("%d metrics, %v", len(got), err)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if left, err := registry.Gather(); err != nil || len(left) > 0 {
			t.Errorf("after Close: %v, %v", left, err)
		}
	}
}

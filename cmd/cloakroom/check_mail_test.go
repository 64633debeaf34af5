package main

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/mail"
	"github.com/cloakroom-auth/cloakroom/sqlite"
)

// TestMailThatWaitsForLongIsReported, and mail of a moment ago isn't.
func TestMailThatWaitsForLongIsReported(t *testing.T) {
	data := t.TempDir()
	s, err := cloakroom.New(t.Context(), cloakroom.Config{Data: data, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sqlite.Open(t.Context(), filepath.Join(data, "cloakroom.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now()
	for id, want := range map[string]int{"a": 0, "b": 1} {
		age := time.Duration(want) * 16 * time.Minute
		q := &mail.Queued{ID: id, Created: now.Add(-age).Unix(), Due: now.Unix(), Expires: now.Add(time.Hour).Unix()}
		if err := db.Mail.Put(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		issues, err := mailIssues(t.Context(), s)
		if err != nil || len(issues) != want {
			t.Errorf("after a message of %v ago: %+v, %v", age, issues, err)
		}
		if err := db.Mail.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

package server_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRestartKeepsSessions(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.people("ann", 1)
	v := s.signedIn("ann0")
	gone := s.signedIn("ann0")
	ticket := gone.ticket()
	gone.must(gone.signOut())
	s.stop()
	s.start()
	v.demand(http.StatusOK, "after a restart")
	s.holding(ticket).demand(http.StatusUnauthorized, "a session that was signed out before the restart")
	if r := v.must(v.signOut()); r.status != http.StatusOK {
		t.Errorf("sign-out after a restart: %s", r)
	}
}

// TestStartIsRefusedWithAnotherSecret checks that data sealed with the old secret doesn't silently become unusable.
func TestStartIsRefusedWithAnotherSecret(t *testing.T) {
	t.Attr("threat", "C16")
	t.Parallel()
	stranger := start(t)
	stranger.stop()
	s := start(t)
	s.people("ann", 1)
	v := s.signedIn("ann0")
	s.stop()

	key, safe := filepath.Join(s.data, "secret.key"), filepath.Join(t.TempDir(), "secret.key")
	rename(t, key, safe)
	s.refuses(key)
	if _, err := os.Stat(key); err == nil {
		t.Error("another secret was made, and could be taken for the right one")
	}
	rename(t, filepath.Join(stranger.data, "secret.key"), key)
	s.refuses(key)

	rename(t, safe, key)
	s.start()
	v.demand(http.StatusOK, "with the right secret again")
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// refuses checks that the server doesn't start, and names the wrong file.
func (s *server) refuses(file string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience/2)
	defer cancel()
	out, err := exec.CommandContext(ctx, program(s.t, "cmd/cloakroom"), "serve", "--data", s.data, "--listen", "127.0.0.1:0").CombinedOutput()
	switch {
	case ctx.Err() != nil || err == nil:
		s.t.Fatalf("the server started:\n%s", out)
	case !strings.Contains(string(out), file) || strings.Contains(string(out), "goroutine "):
		s.t.Errorf("the refusal doesn't say which file is wrong:\n%s", out)
	}
}

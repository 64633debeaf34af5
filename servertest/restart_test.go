package servertest_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRestartKeepsSessions(t *testing.T) {
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

// TestStartIsRefusedWithAnotherSecret: what the database holds under the old secret must not quietly become unusable.
func TestStartIsRefusedWithAnotherSecret(t *testing.T) {
	s := start(t)
	s.people("ann", 1)
	v := s.signedIn("ann0")
	s.stop()
	key := filepath.Join(s.data, "secret.key")
	away := filepath.Join(t.TempDir(), "secret.key")
	if err := os.Rename(key, away); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program(t, "cmd/cloakroom"), "serve", "--data", s.data, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil {
		t.Fatalf("the server started with a new secret:\n%s", out)
	}
	if !strings.Contains(string(out), key) || strings.Contains(string(out), "goroutine ") {
		t.Errorf("the refusal doesn't say which file is wrong:\n%s", out)
	}
	if err := os.Rename(away, key); err != nil {
		t.Fatal(err)
	}
	s.start()
	v.demand(http.StatusOK, "with the right secret again")
}

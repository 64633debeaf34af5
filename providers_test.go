package cloakroom_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
)

// TestAnAnswerAsAFormIsRefusedAtTheStart and not when a person comes back from the provider.
func TestAnAnswerAsAFormIsRefusedAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "company.json")
	settings := `{"issuer":"https://login.example.com","client_id":"a","client_secret":"b","response_mode":"form_post"}`
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := cloakroom.New(t.Context(), cloakroom.Config{Data: t.TempDir(), Providers: []string{"company=" + file}})
	if err == nil || !strings.Contains(err.Error(), `write "response_mode": "query"`) {
		t.Errorf("New returned %v", err)
	}
}

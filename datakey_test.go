package cloakroom_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/factor"
	"github.com/cloakroom-auth/cloakroom/internal/keyring"
	"github.com/cloakroom-auth/cloakroom/memory"
)

// TestANewDataKeyIsSealedWithTheNewSecret alone: after a leak, the former secret must not open it.
func TestANewDataKeyIsSealedWithTheNewSecret(t *testing.T) {
	t.Attr("threat", "S17")
	set, data := memory.New().Set, t.TempDir()
	s, err := cloakroom.New(t.Context(), cloakroom.Config{URL: "http://localhost:8000", Data: data, Stores: &set})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file := filepath.Join(data, "secret.key")
	ring, err := keyring.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	box, err := keyring.NewDataKeys(ring, set.Sealed).Seal(t.Context(), "factors.secret", "7", []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RotateKey(t.Context(), cloakroom.RotationOptions{Reseal: true}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	latest := filepath.Join(t.TempDir(), "latest.key")
	if err := os.WriteFile(latest, []byte(strings.SplitAfter(string(text), "\n")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	only, err := keyring.Load(latest)
	if err != nil {
		t.Fatal(err)
	}
	all, err := set.Sealed.Sealed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, row := range all {
		if strings.HasPrefix(row.Name, "data-key-") {
			found++
			if _, err := only.Open(row); err != nil {
				t.Errorf("%s: %v", row.Name, err)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d data keys, want 2", found)
	}
	if plain, err := keyring.NewDataKeys(only, set.Sealed).Open(t.Context(), "factors.secret", "7", box); err != nil || string(plain) != "the secret" {
		t.Errorf("it opens as %q, %v", plain, err)
	}
}

// TestANewDataKeyComesToAuthenticatorApps, whose secrets are sealed in another table.
func TestANewDataKeyComesToAuthenticatorApps(t *testing.T) {
	set, data := memory.New().Set, t.TempDir()
	s, err := cloakroom.New(t.Context(), cloakroom.Config{URL: "http://localhost:8000", Data: data, Stores: &set})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ring, err := keyring.Load(filepath.Join(data, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := keyring.NewDataKeys(ring, set.Sealed).Seal(t.Context(), "factors.data", "app|7", []byte("the secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Factors.Add(t.Context(), &factor.Factor{ID: "app", User: "7", Kind: factor.TOTP, Data: box}); err != nil {
		t.Fatal(err)
	}
	if err := s.RotateKey(t.Context(), cloakroom.RotationOptions{Reseal: true}); err != nil {
		t.Fatal(err)
	}
	p, err := set.Factors.Load(t.Context(), "7")
	if err != nil || string(p.Factors[0].Data[:8]) == string(box[:8]) {
		t.Errorf("the secret is still sealed under the former data key (%v)", err)
	}
}

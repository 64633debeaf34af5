package cloakroom_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom"
)

func TestWhereSessionsCantBeBoundTheServerDoesNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		config  cloakroom.Config
		refused string
	}{
		"on http":             {cloakroom.Config{URL: "http://localhost:8000"}, "https"},
		"beside Django":       {cloakroom.Config{URL: "https://app.example.com", DB: "django+sqlite:x"}, "beside Django"},
		"with a domain":       {cloakroom.Config{URL: "https://app.example.com", Cookie: cloakroom.Cookie{Name: "__Secure-id", Domain: "example.com"}}, "one host"},
		"on https":            {cloakroom.Config{URL: "https://app.example.com"}, ""},
		"with other origins":  {cloakroom.Config{URL: "https://auth.example.com", Origins: []string{"https://app.example.com:8443"}}, ""},
		"with the same name":  {cloakroom.Config{URL: "https://app.example.com", Cookie: cloakroom.Cookie{Name: "__Host-bound"}}, "__Host-bound"},
		"with SameSite=None":  {cloakroom.Config{URL: "https://app.example.com", Cookie: cloakroom.Cookie{SameSite: 4}}, ""},
		"behind another path": {cloakroom.Config{URL: "https://app.example.com", Cookie: cloakroom.Cookie{Name: "__Secure-id", Path: "/api"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.BindDevices, c.config.Data = true, filepath.Join(t.TempDir(), "data")
			s, err := cloakroom.New(t.Context(), c.config)
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				if s.Sessions.Device == nil {
					t.Error("no session is bound")
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("got %v, want an error that says %q", err, c.refused)
			}
		})
	}
}

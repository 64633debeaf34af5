package main

import (
	"strings"
	"testing"
)

func TestTheExamplesNginxIsWhatIsMeasured(t *testing.T) {
	config, err := nginxConfig("/dir", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"listen 127.0.0.1:1;", "server 127.0.0.1:2;", "server 127.0.0.1:3;", "auth_request /cloakroom/authz;"} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration doesn't contain %q", want)
		}
	}
	for _, not := range []string{"ssl", "443", "example.com;"} {
		if strings.Contains(strings.ReplaceAll(config, "https://app.example.com", ""), not) {
			t.Errorf("the configuration still contains %q", not)
		}
	}
}

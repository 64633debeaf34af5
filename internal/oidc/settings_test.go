package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/internal/oidc"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeKey(t testing.TB, name string, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// TestWrongSettingsAreRefused with a sentence that says what to write.
func TestWrongSettingsAreRefused(t *testing.T) {
	const client = `"client_id":"id","client_secret":"secret"`
	for text, want := range map[string]string{
		`{"issuer":"https://login.microsoftonline.com/common/v2.0",` + client + `}`:                               "TENANT-ID",
		`{"issuer":"https://login.microsoftonline.com/Organizations/v2.0",` + client + `}`:                        "TENANT-ID",
		`{"issuer":"https://LOGIN.microsoftonline.com/consumers/v2.0",` + client + `}`:                            "TENANT-ID",
		`{"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0",` + client + `}`:                           "TENANT-ID",
		`{"issuer":"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",` + client + `}`: "TENANT-ID",
		`{"issuer":"http://accounts.example.com",` + client + `}`:                                                 "must begin with https://",
		`{"issuer":"http://localhost.example.com",` + client + `}`:                                                "must begin with https://",
		`{"issuer":"accounts.example.com",` + client + `}`:                                                        "is no URL",
		`{"issuer":"https://accounts.example.com?x",` + client + `}`:                                              "no user, query or fragment",
		`{"issuer":"https://accounts.example.com#",` + client + `}`:                                               "no user, query or fragment",
		`{"issuer":"https://a:b@accounts.example.com",` + client + `}`:                                            "no user, query or fragment",
		`{"issuer":"https://accounts.example.com/.well-known/openid-configuration",` + client + `}`:               "before /.well-known/",
		`{"issuer":"https://github.com",` + client + `}`:                                                          `"kind": "github"`,
		`{"issuer":"https://appleid.apple.com",` + client + `}`:                                                   `"kind": "apple"`,
		`{` + client + `}`: `"issuer" is missing`,
		`{"issuer":"https://a.example","client_id":"id"}`:                                                     `"client_secret_file"`,
		`{"issuer":"https://a.example","client_secret":"secret"}`:                                             `"client_id" is missing`,
		`{"issuer":"https://a.example","client_secret_file":"x",` + client + `}`:                              "is there twice",
		`{"issuer":"https://a.example","kind":"saml",` + client + `}`:                                         `"kind"`,
		`{"issuer":"https://a.example","scopes":["email"],` + client + `}`:                                    `must have "openid"`,
		`{"issuer":"https://a.example","scopes":["openid email"],` + client + `}`:                             "is no word",
		`{"issuer":"https://a.example","label":"a\nb",` + client + `}`:                                        `"label"`,
		`{"issuer":"https://a.example","second_factor":"yes",` + client + `}`:                                 `"ours" or "theirs"`,
		`{"issuer":"https://a.example","acr_values":["gold"],` + client + `}`:                                 `"second_factor": "theirs"`,
		`{"issuer":"https://a.example","response_mode":"fragment",` + client + `}`:                            `"form_post"`,
		`{"issuer":"https://a.example","sign_up":true,` + client + `}`:                                        "sign_up",
		`{"issuer":"https://a.example",` + client + `} {}`:                                                    "nothing after it",
		`{"issuer":"https://a.example","allowed_domains":["Example.com"],` + client + `}`:                     `"allowed_domains"`,
		`{"issuer":"https://a.example","allowed_domains":["@example.com"],` + client + `}`:                    `"allowed_domains"`,
		`{"issuer":"https://a.example","scopes":["openid"],"allowed_domains":["example.com"],` + client + `}`: `add "email"`,
		`{"issuer":"https://a.example","groups_claim":"groups",` + client + `}`:                               "belong together",
		`{"issuer":"https://a.example","groups":{"a":"b"},` + client + `}`:                                    "belong together",
		`{"issuer":"https://a.example","groups_claim":"groups","groups":{"a":""},` + client + `}`:             "a name is empty",
		`{"kind":"github","groups_claim":"groups","groups":{"a":"b"},` + client + `}`:                         "OpenID Connect only",
		`[]`:                                 "want one JSON object",
		``:                                   "want one JSON object",
		`{"kind":"github","client_id":"id"}`: "client_secret_file",
		`{"kind":"github","second_factor":"theirs",` + client + `}`:    "GitHub doesn't say",
		`{"kind":"github","response_mode":"form_post",` + client + `}`: "GitHub has none",
		`{"kind":"apple","client_id":"id"}`:                            `"key_file"`,
		`{"kind":"apple","client_id":"id","key_file":"x"}`:             `"team_id" and "key_id"`,
		`{"issuer":"https://a.example","team_id":"x",` + client + `}`:  `"kind": "apple" only`,
	} {
		if s, err := oidc.ParseSettings("example", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %+v, %v; want an error with %q", text, s, err, want)
		}
	}
	for _, name := range []string{"", "Google", "1", "a b", "a/b", "..", strings.Repeat("a", 33), "é"} {
		if _, err := oidc.ParseSettings(name, []byte(`{"issuer":"https://a.example",`+client+`}`)); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
}

func TestSettingsHaveDefaults(t *testing.T) {
	for text, want := range map[string]string{
		`{"issuer":"https://accounts.google.com","client_id":"id","client_secret":"x"}`:                               "https://accounts.google.com example openid email profile",
		`{"issuer":"https://login.microsoftonline.com/contoso-id/v2.0","client_id":"id","client_secret":"x"}`:         "https://login.microsoftonline.com/contoso-id/v2.0 example openid email profile",
		`{"issuer":"http://127.0.0.1:4400/","client_id":"id","client_secret":"x","scopes":["openid"],"label":"Work"}`: "http://127.0.0.1:4400/ Work openid",
		`{"issuer":"http://[::1]:4400","client_id":"id","client_secret":"x"}`:                                         "http://[::1]:4400 example openid email profile",
		`{"kind":"github","client_id":"id","client_secret":"x"}`:                                                      "https://github.com example user:email",
		`{"kind":"apple","client_id":"id","client_secret":"x"}`:                                                       "https://appleid.apple.com example openid email name",
	} {
		s, err := oidc.ParseSettings("example", []byte(text))
		if got := s.Issuer + " " + s.Label + " " + strings.Join(s.Scopes, " "); err != nil || got != want {
			t.Errorf("%s\ngives %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestSecretsOfSettingsAreReadFromFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "example.json")
	write(t, file, `{"issuer":"https://a.example","client_id":"id","client_secret_file":"example.secret"}`)
	if _, err := oidc.ReadSettings("example", file); err == nil {
		t.Error("a secret that isn't there is accepted")
	}
	write(t, filepath.Join(dir, "example.secret"), "\n")
	if _, err := oidc.ReadSettings("example", file); err == nil || !strings.Contains(err.Error(), "one line") {
		t.Errorf("an empty secret: %v", err)
	}
	write(t, filepath.Join(dir, "example.secret"), "the secret\n")
	if s, err := oidc.ReadSettings("example", file); err != nil || s.ClientSecret != "the secret" {
		t.Errorf("ReadSettings = %+v, %v", s, err)
	}
	write(t, file, `{"kind":"apple","client_id":"id","team_id":"T","key_id":"K","key_file":"example.secret"}`)
	if _, err := oidc.ReadSettings("example", file); err == nil || !strings.Contains(err.Error(), "AuthKey") {
		t.Errorf("a key that is none: %v", err)
	}
	if _, err := oidc.ReadSettings("example", dir); err == nil {
		t.Error("a directory is accepted")
	}
}

package django_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
)

// The cookie has the name and the attributes of Django's settings, both when it is set and when it is deleted.
func TestTheCookieIsDjangos(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		cookie cloakroom.Cookie
		want   string // attributes, without Max-Age
	}{
		{"Django's defaults, and Secure", cloakroom.Cookie{}, "sessionid; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"all else", cloakroom.Cookie{Name: "site", Domain: "example.com", Path: "/api", SameSite: http.SameSiteStrictMode},
			"site; Path=/api; Domain=example.com; HttpOnly; Secure; SameSite=Strict"},
		{"for other sites", cloakroom.Cookie{SameSite: http.SameSiteNoneMode}, "sessionid; Path=/; HttpOnly; Secure; SameSite=None"},
	} {
		t.Run(c.what, func(t *testing.T) {
			server, err := cloakroom.New(t.Context(), cloakroom.Config{
				DB: "django+" + sqliteSite(t), Data: filepath.Join(t.TempDir(), "data"), URL: "https://app.example.com", Cookie: c.cookie, Log: slog.New(slog.DiscardHandler),
				Django: cloakroom.Django{SecretKeyFile: keyFile(t, keys), Hasher: "pbkdf2_sha256$1000"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			if _, err := server.Accounts.Create(t.Context(), account.NewUser{Username: "ann", Password: good}); err != nil {
				t.Fatal(err)
			}
			handler := server.Handler(nil)
			send := func(path, body, cookie string) *http.Cookie {
				r := httptest.NewRequestWithContext(t.Context(), "POST", "https://app.example.com"+path, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Origin", "https://app.example.com")
				r.Header.Set("Cookie", cookie)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				name, _, _ := strings.Cut(c.want, ";")
				for _, set := range w.Result().Cookies() {
					if set.Name == name {
						return set
					}
				}
				t.Fatalf("%s: %d, and no cookie %s: %v", path, w.Code, name, w.Header())
				return nil
			}
			made := send("/api/auth/login", `{"username":"ann","password":"`+good+`"}`, "")
			if len(made.Value) != 32 || made.MaxAge <= 0 || attributes(made) != c.want {
				t.Errorf("set is %v, want %s", made, c.want)
			}
			ended := send("/api/auth/logout", "", made.Name+"="+made.Value)
			if ended.Value != "" || ended.MaxAge >= 0 || attributes(ended) != c.want {
				t.Errorf("deleted is %v, want %s", ended, c.want)
			}
		})
	}
}

// attributes returns a cookie without its value and its lifetime.
func attributes(c *http.Cookie) string {
	bare := *c
	bare.Value, bare.MaxAge, bare.Expires = "", 0, time.Time{}
	return strings.Replace(bare.String(), c.Name+"=", c.Name, 1)
}

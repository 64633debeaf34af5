package djangoserver

import (
	"net/url"
	"strings"
	"testing"
)

// database returns Django's DATABASES["default"].
func (s *Site) database(t testing.TB) map[string]any {
	t.Helper()
	if path, ok := strings.CutPrefix(s.config.Database, "sqlite:"); ok {
		return map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": map[string]any{"timeout": 20}}
	}
	u, err := url.Parse(s.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return map[string]any{
		"ENGINE": "django.db.backends.postgresql", "NAME": strings.TrimPrefix(u.Path, "/"), "CONN_MAX_AGE": 60,
		"HOST": u.Hostname(), "PORT": u.Port(), "USER": u.User.Username(), "PASSWORD": password,
	}
}

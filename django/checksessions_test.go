package django_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// The table is then empty, as it is with a Django that keeps its sessions elsewhere.
func TestAServerStartsAfterAllUsersHaveSignedOut(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, _ := p.user(t)
		b := p.person(t)
		b.signsIn("Cloakroom", name, good)
		if status := b.ours.Do(t, "POST", "/api/auth/logout", map[string]any{}, nil); status != http.StatusOK {
			t.Fatal(status)
		}
		p.stop()
		if left := dump(t, p.raw(t), `SELECT session_key FROM django_session`); left != "" {
			t.Fatalf("the table isn't empty: %s", left)
		}
		p.start()
		again := p.person(t)
		again.signsIn("Cloakroom", name, good)
		again.is(name)
	})
}

// Each of the two programs would take the other's sessions for empty ones.
func TestPickledSessionsAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("the oldest", func(t *testing.T) { refusesPickled(t, djangoserver.Django{}) })
	t.Run("the newest", func(t *testing.T) {
		all := djangoserver.Newer(t)
		refusesPickled(t, all[len(all)-1])
	})
}

func refusesPickled(t *testing.T, d djangoserver.Django) {
	database := sqliteAddress(t)
	p := newPair(t, database, func(c *djangoserver.Config, _ *cloakroom.Config) { c.Django = d })
	pickling := p.site.With(func(c *djangoserver.Config) { c.Serializer = "pickling.PickleSerializer" })
	pickling.Start(t)
	name, _ := p.user(t)
	credentials := map[string]any{"username": name, "password": good}
	if status := pickling.Browser(t).Do(t, "POST", "/login", credentials, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	for _, engine := range []string{"", "db"} {
		if _, err := django.Open(t.Context(), django.Config{Database: database, Keys: keys, SessionEngine: engine}); err == nil ||
			!strings.Contains(err.Error(), "SESSION_SERIALIZER") {
			t.Errorf("engine %q: %v", engine, err)
		}
	}
	if _, err := django.Open(t.Context(), django.Config{Database: database, Keys: django.Keys{"another"}}); err != nil {
		t.Errorf("with another key, the sessions can't be checked: %v", err)
	}
	p.person(t).signsIn("Django", name, good) // with JSON
	found, err := opened(t, django.Config{Database: database, Keys: keys}).Inspect(t.Context(), time.Now().Unix())
	if err != nil || !strings.Contains(fmt.Sprint(found), "1 live sessions are not JSON") {
		t.Errorf("%v, %v", found, err)
	}
}

// Since Django 5.2, manage.py shell first prints what it has imported.
func TestAKeyFileThatBeginsWithAMessageOfTheShellIsRefused(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"8 objects imported automatically (use -v 2 for details).", "1 object imported automatically.",
		"2 objects could not be automatically imported:"} {
		_, err := django.ReadKeys(keyFile(t, []string{first, "", "the key"}))
		if err == nil || !strings.Contains(err.Error(), "-v 0") {
			t.Errorf("%q: %v", first, err)
		}
	}
	read, err := django.ReadKeys(keyFile(t, []string{"8 objects", "", " two words "}))
	if want := (django.Keys{"8 objects", " two words "}); err != nil || !slices.Equal(read, want) {
		t.Errorf("%q, %v", read, err)
	}
}

// Neither program takes it for a user's.
func TestASessionWithoutABackendIsAnonymous(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, id := p.user(t)
	var encoded string
	p.site.Run(t, "encoded", map[string]any{"name": name}, &encoded)
	whole := map[string]any{
		"_auth_user_id": id, "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
		"_auth_user_hash": django.AuthHash(keys[0], encoded),
	}
	for n, missing := range []string{"", "_auth_user_backend", "_auth_user_hash", "_auth_user_id"} {
		data := maps.Clone(whole)
		delete(data, missing)
		key := strings.Repeat(string(rune('a'+n)), 32)
		p.site.Run(t, "put_session", map[string]any{"key": key, "data": data, "expire": "2100-01-02T03:04:05+00:00"}, nil)
		b := p.person(t)
		b.setKey(key)
		if missing == "" {
			b.is(name)
		} else {
			b.isAnonymous()
		}
	}
}

// With the wrong key neither program accepts the other's sessions. It is only a warning, since the key may be new.
func TestTheStartWarnsOfTheWrongKey(t *testing.T) {
	t.Parallel()
	database := sqliteAddress(t)
	p := newPair(t, database, nil)
	name, _ := p.user(t)
	p.person(t).signsIn("Django", name, good)
	for _, c := range []struct {
		keys []string
		want string
	}{
		{keys, ""}, {[]string{keys[0], "another"}, ""},
		{[]string{"another"}, "none of the latest sessions is signed with the given secret key"},
		{[]string{"another", keys[0]}, "all of the latest sessions are signed with a fallback"},
	} {
		var log bytes.Buffer
		config := p.config
		config.Log, config.Data = slog.New(slog.NewTextHandler(&log, nil)), t.TempDir()
		config.Django.SecretKeyFile = keyFile(t, c.keys)
		s, err := cloakroom.New(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if got := log.String(); strings.Contains(got, "this may not be Django's secret key") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%q: %s", c.keys, got)
		}
	}
}

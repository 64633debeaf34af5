package django_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
)

// inspected returns the findings of django check about the pair's database, as text.
func (p *pair) inspected(t testing.TB, change func(c *django.Config)) string {
	t.Helper()
	c := django.Config{Database: strings.TrimPrefix(p.config.DB, "django+"), Keys: keys}
	if change != nil {
		change(&c)
	}
	found, err := opened(t, c).Inspect(t.Context(), time.Now().Unix())
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range found {
		fmt.Fprintf(&all, "%s: %s %s\n", f.Level, f.About, f.Hint)
	}
	return all.String()
}

// It says nothing of limits that agree.
func TestCheckReportsLimitsThatDiffer(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), func(d *djangoserver.Config, _ *cloakroom.Config) { d.CookieAge = 900 })
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	other := p.person(t)
	other.signsIn("Django", name, good)
	other.django.Do(t, "POST", "/session", map[string]any{"expiry": 60}, nil) // says nothing of the setting
	for _, used := range []string{"not used here", "used here"} {
		for idle, want := range map[time.Duration]string{
			0:                "warning: sessions created by Django end 15m0s after their last use (SESSION_COOKIE_AGE), those created here 336h0m0s after it (--idle)",
			5 * time.Minute:  "info: sessions created by Django would last 15m0s there (SESSION_COOKIE_AGE); once used here, they end 5m0s after their last use (--idle)",
			15 * time.Minute: "",
		} {
			said := p.inspected(t, func(c *django.Config) { c.Idle = idle })
			if want == "" && strings.Contains(said, "SESSION_COOKIE_AGE") || !strings.Contains(said, want) {
				t.Errorf("%s, --idle %v: %s", used, idle, said)
			}
		}
		b.is(name)
	}
}

// A sign-in here is valid at Django only once --django-auth-backend names Django's own backend, and django check says so
// before.
func TestASignInHereNamesTheBackendThatDjangoHas(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), func(d *djangoserver.Config, _ *cloakroom.Config) { d.Backends = []string{"backends.OwnBackend"} })
		name, _ := p.user(t)
		p.person(t).signsIn("Django", name, good)
		b := p.person(t)
		b.signsIn("Cloakroom", name, good)
		if status := b.django.Do(t, "GET", "/me", nil, nil); status != http.StatusForbidden {
			t.Fatalf("a sign-in in the name of another backend is %d at Django", status)
		}
		said := p.inspected(t, nil)
		if !strings.Contains(said, "warning: the sessions that Django created name the backend backends.OwnBackend") || !strings.Contains(said, "--django-auth-backend backends.OwnBackend\n") {
			t.Errorf("said is %s", said)
		}
		p.stop()
		p.config.Django.AuthBackend = "backends.OwnBackend"
		p.start()
		again := p.person(t)
		again.signsIn("Cloakroom", name, good)
		again.is(name)
		said = p.inspected(t, func(c *django.Config) { c.AuthBackend = "backends.OwnBackend" })
		if strings.Contains(said, "warning: the sessions that Django") {
			t.Errorf("said is %s", said)
		}
	})
}

// It writes the names so that two Unicode forms of one name look different.
func TestCheckReportsNamesThatCollide(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	for _, name := range []string{"Ada", "ada", "bob", "zo\u00eb", "zoe"} {
		p.site.Run(t, "add", map[string]any{"name": name, "password": good}, nil)
	}
	p.execute(t, "UPDATE auth_user SET username = 'zoe\u0308' WHERE username = 'zoe'")
	said := p.inspected(t, nil)
	if !strings.Contains(said, `["Ada" "ada"], ["zoe\u0308" "zo\u00eb"]`) || strings.Contains(said, "bob") {
		t.Errorf("said is %s", said)
	}
}

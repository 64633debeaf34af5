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
	"github.com/cloakroom-auth/cloakroom/session"
)

// record returns the session of the browser's cookie as the store has it.
func (b *person) record() *session.Record {
	b.t.Helper()
	id, ok := ticket(b.key())
	if !ok {
		b.t.Fatalf("%q is no key", b.key())
	}
	r, err := b.p.server.Sessions.Store.Load(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// Django has no absolute limit, and signs a session again each time it saves it.
func TestTheAbsoluteLimitOfDjangosSessionsHolds(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	b.is(name) // the first use here writes it down
	first := b.record()
	if limit := first.Deadline - time.Now().Unix(); limit > 30*24*3600 || limit < 30*24*3600-60 {
		t.Errorf("the session ends in %d s at the latest", limit)
	}
	time.Sleep(1100 * time.Millisecond)
	b.django.Do(t, "POST", "/session", map[string]any{"set": map[string]any{"a": 1}}, nil)
	again := b.record()
	if again.Deadline != first.Deadline || again.Created != first.Created || again.PublicID != first.PublicID {
		t.Errorf("the session was %+v and is %+v", first, again)
	}
	if again.Expires <= first.Expires-1 || again.Version == first.Version {
		t.Errorf("Django has not saved the session: %+v", again)
	}
}

// With Django's default settings, only a change of its data prolongs a session.
func TestAUseHereProlongsDjangosSession(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, id := p.user(t)
	day := 24 * time.Hour
	signed := time.Now().Add(-13 * day) // the session is a day from its end
	text, err := keys.Sign(fmt.Sprintf(`{"_auth_user_id":%q,"_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":%q}`,
		id, django.AuthHash(secret, p.encoded(t, name))), signed.Unix())
	if err != nil {
		t.Fatal(err)
	}
	b := p.person(t)
	b.setKey(strings.Repeat("k", 32))
	p.execute(t, `INSERT INTO django_session VALUES ('`+b.key()+`', '`+text+`', '`+signed.Add(14*day).UTC().Format(time.DateTime)+`')`)
	if status := b.ours.Do(t, "GET", "/api/me?slide=false", nil, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	if left := p.left(t, b.key()); left > day {
		t.Errorf("a request that is no use has prolonged the session to %v", left)
	}
	b.is(name)
	if left := p.left(t, b.key()); left < 14*day-time.Minute || left > 14*day {
		t.Errorf("the session ends in %v", left)
	}
}

// left returns how long Django still honours a session.
func (p *pair) left(t testing.TB, key string) time.Duration {
	t.Helper()
	var text string
	p.site.Run(t, "expires", map[string]any{"key": key}, &text)
	end, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(end)
}

// Django itself needs a scheduled command for this.
func TestExpiredSessionsArePurged(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, _ := p.user(t)
		live, expired, anonymous := p.person(t), p.person(t), p.person(t)
		live.signsIn("Django", name, good)
		expired.signsIn("Cloakroom", name, good)
		anonymous.django.Do(t, "POST", "/session", map[string]any{"set": map[string]any{"basket": 1}}, nil)
		for _, b := range []*person{expired, anonymous} {
			p.site.Run(t, "expire", map[string]any{"key": b.key(), "seconds": -5}, nil)
		}
		p.stop()
		p.run = true
		p.start()
		for deadline := time.Now().Add(2 * time.Minute); p.row(t, expired.key())+p.row(t, anonymous.key()) != ""; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("expired sessions are still there")
			}
		}
		at := &person{p, t, live.django, live.ours.At(p.url)}
		at.is(name)
	})
}

// The counters are in Cloakroom's own tables.
func TestGuessesAreThrottledBesideDjango(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, _ := p.user(t)
		p.site.Run(t, "set_hash", map[string]any{"name": name, "encoded": pbkdf2(good, 1000)}, nil)
		before := p.bystanders(t)
		known, stranger := p.person(t), p.person(t)
		known.signsIn("Cloakroom", name, good)
		for n := range 10 {
			if status := stranger.signIn("Cloakroom", name, better); status != http.StatusUnauthorized {
				t.Fatalf("guess %d: %d", n+1, status)
			}
		}
		for _, password := range []string{better, good} {
			if status := stranger.signIn("Cloakroom", name, password); status != http.StatusTooManyRequests {
				t.Errorf("one guess too many, with %q: %d", password, status)
			}
		}
		known.is(name)
		known.signsIn("Cloakroom", name, good) // a device that has signed in before has a count of its own
		p.unchanged(t, before)
	})
}

// The list of devices covers the sessions that either program created, also after Django has given them other keys.
func TestDevices(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, _ := p.user(t)
		other, _ := p.user(t)
		laptop, phone, work, strangers := p.person(t), p.person(t), p.person(t), p.person(t)
		laptop.signsIn("Django", name, good)
		phone.signsIn("Cloakroom", name, good)
		work.signsIn("Django", name, good)
		strangers.signsIn("Django", other, good)
		// The phone's session gets another key, as after a password change in Django.
		phone.django.Do(t, "POST", "/password", map[string]any{"password": good}, nil)
		for _, b := range []*person{laptop, work} {
			b.isAnonymous()
			b.signsIn("Django", name, good)
		}
		var devices struct {
			Sessions []struct {
				ID      string
				Current bool
			}
		}
		phone.ours.Do(t, "GET", "/api/auth/sessions", nil, &devices)
		if len(devices.Sessions) != 3 {
			t.Fatalf("%+v", devices)
		}
		for _, d := range devices.Sessions {
			if d.Current {
				continue
			}
			path := "/api/auth/sessions/" + d.ID
			if status := phone.ours.Do(t, "DELETE", path, nil, nil); status >= 300 {
				t.Fatalf("%s: %d", path, status)
			}
		}
		laptop.isAnonymous()
		work.isAnonymous()
		phone.is(name)
		strangers.is(other)
		if n, err := p.server.Sessions.RevokeAll(t.Context(), phone.record().User, nil); n != 1 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		phone.isAnonymous()
		strangers.is(other)
	})
}

// Django sets the cookie csrftoken when it signs in a user, and a page sends it to both programs.
func TestDjangosCSRFTokenIsAccepted(t *testing.T) {
	t.Attr("threat", "F03")
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	djangos := strings.Repeat("aB3z", 8)
	for _, c := range []struct {
		token  string
		status int
	}{{strings.Repeat("z", 32), http.StatusForbidden}, {djangos, http.StatusOK}} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/api/auth/logout", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", p.url)
		r.Header.Set("X-CSRFToken", c.token)
		r.Header.Set("Cookie", "csrftoken="+djangos)
		if status := b.ours.Send(t, r, nil); status != c.status {
			t.Errorf("with the token %s: %d, want %d", c.token, status, c.status)
		}
	}
	b.isAnonymous()
}

// A session that Django limits to fifteen minutes lasts no longer after a use here, whichever way Django has set the limit,
// and whichever program created the session.
func TestDjangosAgeIsKept(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), func(d *djangoserver.Config, _ *cloakroom.Config) { d.CookieAge = 900 })
		name, _ := p.user(t)
		uses := func(b *person, what string, atMost time.Duration) {
			t.Helper()
			for range 3 {
				b.is(name)
				if left := p.left(t, b.key()); left > atMost || left < atMost-10*time.Minute {
					t.Errorf("%s: %v are left, want %v", what, left, atMost)
				}
			}
			if ends := b.expiresAt(t); ends > atMost+time.Second {
				t.Errorf("%s: shown is %v", what, ends)
			}
		}
		for what, c := range map[string]struct {
			set  map[string]any // at Django
			want time.Duration
		}{
			"SESSION_COOKIE_AGE":             {nil, 15 * time.Minute},
			"set_expiry(0)":                  {map[string]any{"expiry": 0}, 15 * time.Minute},
			"set_expiry(120)":                {map[string]any{"expiry": 120}, 2 * time.Minute},
			"set_expiry(120), and then None": {map[string]any{"expiry": 120, "then": nil}, 15 * time.Minute},
		} {
			for _, at := range []string{"Django", "Cloakroom"} {
				b := p.person(t)
				b.signsIn(at, name, good)
				if c.set != nil || at == "Cloakroom" {
					b.django.Do(t, "POST", "/session", map[string]any{"set": map[string]any{"a": 1}, "expiry": c.set["expiry"]}, nil)
				}
				if _, again := c.set["then"]; again {
					b.is(name)
					b.django.Do(t, "POST", "/session", map[string]any{"expiry": nil}, nil)
				}
				uses(b, what+", begun at "+at, c.want)
				if status := b.ours.Do(t, "POST", "/values", map[string]any{"b": 2}, nil); status != http.StatusOK {
					t.Errorf("values: %d", status)
				}
				uses(b, what+", begun at "+at+", its values changed here", c.want)
				if status := b.ours.Do(t, "POST", "/api/auth/reauthenticate", map[string]any{"password": good}, nil); status != http.StatusOK {
					t.Errorf("re-authentication: %d", status)
				}
				uses(b, what+", begun at "+at+", under another key", c.want)
			}
		}
	})
}

// expiresAt returns how long the browser's session lasts according to the list of sessions.
func (b *person) expiresAt(t testing.TB) time.Duration {
	t.Helper()
	var devices struct {
		Sessions []struct {
			Current   bool
			ExpiresAt time.Time `json:"expires_at"`
		}
	}
	b.ours.Do(t, "GET", "/api/auth/sessions", nil, &devices)
	for _, d := range devices.Sessions {
		if d.Current {
			return time.Until(d.ExpiresAt)
		}
	}
	t.Fatal("the session isn't listed")
	return 0
}

// Its last use is its sign-in, and no earlier time.
func TestASessionCreatedByDjangoWasLastUsedAtItsSignIn(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, _ := p.user(t)
	b, other := p.person(t), p.person(t)
	b.signsIn("Django", name, good)
	other.signsIn("Cloakroom", name, good)
	var devices struct {
		Sessions []struct {
			Created time.Time `json:"created_at"`
			Seen    time.Time `json:"last_seen_at"`
		}
	}
	other.ours.Do(t, "GET", "/api/auth/sessions", nil, &devices)
	if len(devices.Sessions) != 2 {
		t.Fatal(devices)
	}
	for _, d := range devices.Sessions {
		if d.Seen.Before(d.Created) {
			t.Errorf("begun at %v, and seen last at %v", d.Created, d.Seen)
		}
	}
}

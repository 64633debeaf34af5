package django_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom"
	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/session"
)

func ticket(key string) (session.ID, bool) { return django.SessionKeys{}.ID(key) }

func TestTicketsAreDjangosKeys(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 500 {
		key := django.SessionKeys{}.New()
		if id, ok := ticket(key); !ok || string(id[:]) != key || seen[key] {
			t.Fatalf("%q is no ticket, or was there before", key)
		}
		seen[key] = true
		for _, c := range key {
			letters[c] = true
		}
	}
	if len(letters) != 36 {
		t.Errorf("made of %d characters, want 36", len(letters))
	}
	good := strings.Repeat("a1", 16)
	for _, key := range []string{"", "short", good[1:], good + "a", strings.ToUpper(good), good[1:] + "-", good[1:] + "\x00", good[2:] + "é"} {
		if _, ok := ticket(key); ok {
			t.Errorf("%q is a ticket", key)
		}
	}
}

// It covers all hashers of the running Django, with the oldest and the newest version.
func TestEachSideVerifiesTheHashesOfTheOther(t *testing.T) {
	t.Parallel()
	hashers := []string{"pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "md5"}
	t.Run("the oldest", func(t *testing.T) { newPair(t, sqliteAddress(t), nil).readsHashes(t, hashers) })
	t.Run("the newest", func(t *testing.T) {
		all := djangoserver.Newer(t)
		p := newPair(t, sqliteAddress(t), func(d *djangoserver.Config, _ *cloakroom.Config) { d.Django = all[len(all)-1] })
		p.readsHashes(t, append(hashers, "scrypt"))
	})
}

func (p *pair) readsHashes(t *testing.T, hashers []string) {
	var h password.Hasher
	for _, hasher := range hashers {
		t.Run(hasher, func(t *testing.T) {
			var theirs string
			p.site.Run(t, "make", map[string]any{"password": good, "salt": "", "hasher": hasher}, &theirs)
			if kind := django.HashKind(theirs); kind != hasher {
				t.Errorf("%s is of kind %s", theirs, kind)
			}
			result, err := h.Verify(t.Context(), theirs, good)
			if err != nil || !result.Match {
				t.Fatalf("%s: %+v, %v", theirs, result, err)
			}
			if !password.IsTemplate(theirs) {
				return
			}
			ours, err := h.HashByTemplate(t.Context(), theirs, better)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := p.user(t)
			p.site.Run(t, "set_hash", map[string]any{"name": name, "encoded": ours}, nil)
			b := p.person(t)
			b.signsIn("Django", name, better)
			if hasher == "pbkdf2_sha256" && p.encoded(t, name) != ours {
				t.Error("Django has hashed the password anew")
			}
		})
	}
}

func TestEachSideAcceptsTheResetTokensOfTheOther(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, id := p.user(t)
	tokens := django.ResetTokens{Keys: keys}
	check := func(when string) string {
		t.Helper()
		var theirs string
		p.site.Run(t, "reset_token", map[string]any{"name": name}, &theirs)
		if !tokens.Valid(p.account(t, id), theirs, time.Now()) {
			t.Errorf("%s: Django's token %s is refused", when, theirs)
		}
		var ok bool
		p.site.Run(t, "check_reset", map[string]any{"name": name, "token": tokens.New(p.account(t, id), time.Now())}, &ok)
		if !ok {
			t.Errorf("%s: Django refuses our token", when)
		}
		return theirs
	}
	before := check("never signed in")
	p.person(t).signsIn("Cloakroom", name, good)
	after := check("signed in here")
	if before == after || tokens.Valid(p.account(t, id), before, time.Now()) {
		t.Error("a sign-in leaves the token good")
	}
	p.person(t).signsIn("Django", name, good)
	check("signed in at Django")
}

func TestEnginesThatCannotBeSharedAreRefused(t *testing.T) {
	t.Parallel()
	database := sqliteAddress(t)
	p := newPair(t, database, nil)
	for _, engine := range []string{"cached_db", "cache", "file", "signed_cookies", "django.contrib.sessions.backends.cached_db",
		"redis_sessions.session", "qsessions.backends.db", "dbx"} {
		_, err := django.Open(t.Context(), django.Config{Database: database, Keys: keys, SessionEngine: engine})
		if e, ok := errors.AsType[*django.EngineError](err); !ok || e.Engine != engine {
			t.Errorf("%s: %v", engine, err)
		}
	}
	for _, engine := range []string{"db", "django.contrib.sessions.backends.db"} {
		opened(t, django.Config{Database: database, Keys: keys, SessionEngine: engine})
	}
	// A user has signed in recently, and there is no session in the table: Django seems to keep them elsewhere.
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	opened(t, django.Config{Database: database, Keys: keys})
	b.django.Do(t, "POST", "/logout", map[string]any{}, nil)
	_, err := django.Open(t.Context(), django.Config{Database: database, Keys: keys})
	if _, ok := errors.AsType[*django.EngineError](err); !ok || !strings.Contains(err.Error(), "set Config.Django.SessionEngine to db") {
		t.Errorf("an empty table: %v", err)
	}
	opened(t, django.Config{Database: database, Keys: keys, SessionEngine: "db"})
	opened(t, django.Config{Database: database, Keys: keys, SessionsSeen: true})
	// A session of that sign-in would have expired.
	p.execute(t, `UPDATE auth_user SET last_login = '2026-01-02 03:04:05'`)
	opened(t, django.Config{Database: database, Keys: keys})
}

// A Django with SESSION_ENGINE cached_db has the same table as one with db, but goes on honouring sessions that Cloakroom
// has ended. So cached_db is refused if it is configured, and otherwise the check asks the operator to look.
func TestCachedDBLooksLikeDBUntilItIsConfigured(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), func(d *djangoserver.Config, _ *cloakroom.Config) { d.Engine = "cached_db" })
	name, _ := p.user(t)
	b := p.person(t)
	b.signsIn("Django", name, good)
	b.is(name)
	if status := b.ours.Do(t, "POST", "/api/auth/logout", map[string]any{}, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	again := p.person(t)
	again.signsIn("Django", name, good)
	key := again.key()
	p.execute(t, `DELETE FROM django_session WHERE session_key = $1`, key)
	if status := again.django.Do(t, "GET", "/me", nil, nil); status != http.StatusOK {
		t.Fatalf("Django asks the table: %d", status)
	}
	p.person(t).signsIn("Django", name, good)
	database := strings.TrimPrefix(p.config.DB, "django+")
	for engine, want := range map[string]string{"": "the database doesn't show whether SESSION_ENGINE is db: cached_db", "db": "SESSION_ENGINE is db, according to"} {
		found, err := opened(t, django.Config{Database: database, Keys: keys, SessionEngine: engine}).Inspect(t.Context(), time.Now().Unix())
		if err != nil || strings.Count(fmt.Sprint(found), "SESSION_ENGINE is") != 1 || !strings.Contains(fmt.Sprint(found), want) {
			t.Errorf("%q: %v, %v", engine, found, err)
		}
	}
	p.config.Django.SessionEngine = "django.contrib.sessions.backends.cached_db"
	_, err := cloakroom.New(t.Context(), p.config)
	if e, ok := errors.AsType[*django.EngineError](err); !ok || !strings.Contains(e.Reason, "would go on at Django") {
		t.Errorf("Open accepts it: %v", err)
	}
}

func TestADatabaseThatIsNotDjangosIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	for want, change := range map[string]func(c *django.Config){
		"there is no table people_person": func(c *django.Config) { c.UserTable = "people_person" },
		"has no column uid":               func(c *django.Config) { c.UserKey = "uid" },
		"has no column nick":              func(c *django.Config) { c.UserLogin = "nick" },
		"there is no table other_session": func(c *django.Config) { c.SessionTable = "other_session" },
		"no such file or directory":       func(c *django.Config) { c.Database += "x" },
		"Django's secret key is needed":   func(c *django.Config) { c.Keys = nil },
		"such as postgres://":             func(c *django.Config) { c.Database = "mysql://u:sesame@h/n" },
	} {
		c := django.Config{Database: strings.TrimPrefix(p.config.DB, "django+"), Keys: keys}
		change(&c)
		_, err := django.Open(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("the error doesn't say %q: %v", want, err)
		}
	}
}

func TestExamplesOfHashersAreThoseOfDjango(t *testing.T) {
	for spec, begins := range map[string]string{
		"pbkdf2_sha256": "pbkdf2_sha256$1500000$", "pbkdf2_sha256$600000": "pbkdf2_sha256$600000$", "pbkdf2_sha1$1000": "pbkdf2_sha1$1000$",
		"argon2": "argon2$argon2id$v=19$m=102400,t=2,p=8$", "argon2$m=512,t=2,p=2": "argon2$argon2id$v=19$m=512,t=2,p=2$",
		"bcrypt_sha256": "bcrypt_sha256$$2b$12$", "bcrypt$10": "bcrypt$$2b$10$", "scrypt": "scrypt$16384$", "scrypt$32768$8$1": "scrypt$32768$",
	} {
		if got, err := django.HasherTemplate(spec); err != nil || !strings.HasPrefix(got, begins) {
			t.Errorf("%s: %s, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"", "md5", "sha1", "crypt", "pbkdf2_sha256$", "pbkdf2_sha256$x", "pbkdf2_sha256$0", "bcrypt$99", "scrypt$3$8$1", "argon2$m=1"} {
		if got, err := django.HasherTemplate(spec); err == nil && spec != "pbkdf2_sha256$" {
			t.Errorf("%q: %s", spec, got)
		}
	}
}

func TestInspectSaysWhatWouldNotWork(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	name, _ := p.user(t)
	p.person(t).signsIn("Django", name, good)
	p.person(t).signsIn("Cloakroom", name, good)
	var ids []string
	for other, encoded := range map[string]string{
		"crypted": "crypt$$ab1aXxxxxxxxx", strings.ToUpper(name): "!unusable", "José": "!unusable", "jose": "!unusable",
	} {
		var id string
		p.site.Run(t, "add", map[string]any{"name": other, "password": good}, &id)
		p.site.Run(t, "set_hash", map[string]any{"name": other, "encoded": encoded}, nil)
		ids = append(ids, id)
	}
	p.execute(t, "UPDATE auth_user SET username = 'Jose\u0301' WHERE username = 'jose'") // not by Django's create_user
	p.site.Run(t, "token", map[string]any{"name": name}, nil)
	database := strings.TrimPrefix(p.config.DB, "django+")
	said := func(c django.Config) string {
		found, err := opened(t, c).Inspect(t.Context(), time.Now().Unix())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	right := said(django.Config{Database: database, Keys: keys})
	for _, want := range []string{
		"5 users in auth_user, who sign in by username; their keys are numbers", "2 live sessions with a user, and 0 anonymous ones",
		"1 users have a hash of pbkdf2_sha256", "1 users have a password hash that can't be verified: crypt", "3 users have no password",
		"2 names belong to several users, apart from letter case or Unicode form", "1 tokens of REST framework",
	} {
		if !strings.Contains(right, want) {
			t.Errorf("Inspect doesn't report %q: %s", want, right)
		}
	}
	if strings.Contains(right, `"error"`) {
		t.Errorf("an error: %s", right)
	}
	swapped := said(django.Config{Database: database, Keys: django.Keys{"another key", keys[0]}})
	if !strings.Contains(swapped, `"warning","about":"all live sessions are signed with a fallback`) {
		t.Errorf("Inspect doesn't report keys in the wrong order: %s", swapped)
	}
	wrong := said(django.Config{Database: database, Keys: django.Keys{"another key"}})
	if !strings.Contains(wrong, `"error"`) || !strings.Contains(wrong, "none of the live sessions is signed with the given secret key") {
		t.Errorf("Inspect doesn't report the wrong key: %s", wrong)
	}
	if len(ids) != 4 {
		t.Fatal(ids)
	}
}

func TestDjangoMakesTheFirstUser(t *testing.T) {
	t.Parallel()
	p := newPair(t, sqliteAddress(t), nil)
	if link, err := p.server.SetupLink(t.Context()); link != "" || err != nil {
		t.Errorf("there is a link: %q, %v", link, err)
	}
	if err := p.server.Accounts.Store.CreateFirst(t.Context(), &account.User{Username: "eve"}, [32]byte{}, 0); !errors.Is(err, account.SpentErrors.Setup) {
		t.Errorf("CreateFirst returns %v", err)
	}
}

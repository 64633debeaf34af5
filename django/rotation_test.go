package django_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/internal/djangoserver"
	"github.com/cloakroom-auth/cloakroom/token"
)

const newSecret = "the new secret key, which is long enough"

// rotate restarts both programs with other keys.
func (p *pair) rotate(t testing.TB, keys ...string) {
	t.Helper()
	p.site.Stop()
	p.site = p.site.With(func(c *djangoserver.Config) { c.Keys = keys })
	p.site.Start(t)
	p.stop()
	p.config.Django.SecretKeyFile = keyFile(t, keys)
	p.start()
}

// again returns the same browser for the programs that were started since.
func (b *person) again(t testing.TB) *person {
	return &person{b.p, t, b.django.At(b.p.site.URL), b.ours.At(b.p.url)}
}

// Django gets a new SECRET_KEY, with the old one as a fallback. Django before 4.1 doesn't support fallbacks.
func TestKeyRotation(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, id := p.user(t)
		fromDjango, fromUs := p.person(t), p.person(t)
		fromDjango.signsIn("Django", name, good)
		fromUs.signsIn("Cloakroom", name, good)
		p.rotate(t, newSecret, secret)
		t.Run("key rotation with fallbacks, done in Django", func(t *testing.T) {
			b := p.person(t)
			b.signsIn("Django", name, good)
			b.is(name)
		})
		t.Run("key rotation with fallbacks, done in Cloakroom", func(t *testing.T) {
			// The renewed session is valid in Django again.
			for _, old := range []*person{fromDjango, fromUs} {
				if all, err := p.server.Sessions.List(t.Context(), id); err != nil || len(all) != 3 {
					t.Errorf("%d sessions listed, %v", len(all), err)
				}
				old.again(t).is(name)
			}
		})
	})
}

// A Django that supports fallbacks gets a new SECRET_KEY. Whichever program reads a session first moves it to the new key,
// in its own way, and the other accepts it with its very next request.
func TestKeyRotationWithFallbacks(t *testing.T) {
	eachNewer(t, func(t *testing.T, p *pair) {
		before := p.bystanders(t)
		name, id := p.user(t)
		signedIn := func(at string) *person {
			b := p.person(t)
			b.signsIn(at, name, good)
			b.django.Do(t, "POST", "/session", map[string]any{"set": strange}, nil)
			return b
		}
		first := map[string][]*person{}
		for _, program := range []string{"Django", "Cloakroom"} {
			first[program] = []*person{signedIn("Django"), signedIn("Cloakroom")}
		}
		unused := signedIn("Django")
		links, tokens := p.resetLinks(t, name, id, secret), [...]string{p.personal(t, id), p.personal(t, id)}
		forgetful, forgetfulID := p.user(t)
		link, _, err := p.server.Accounts.ResetSecret(t.Context(), forgetfulID)
		if err != nil {
			t.Fatal(err)
		}
		p.rotate(t, newSecret, secret)
		t.Run("key rotation with fallbacks, done in Django", func(t *testing.T) {
			for _, b := range first["Django"] {
				p.renewedByDjango(t, b.again(t), name)
			}
		})
		t.Run("key rotation with fallbacks, done in Cloakroom", func(t *testing.T) {
			for _, b := range first["Cloakroom"] {
				p.renewedHere(t, b.again(t), name)
			}
		})
		t.Run("links to reset a password, made before at either", func(t *testing.T) { p.takes(t, links, name, id) })
		t.Run("what is Cloakroom's own, made before", func(t *testing.T) {
			if got := p.withHeader(t, p.url, "/api/me", "Bearer "+tokens[0]); got != name {
				t.Errorf("a personal token opens %q", got)
			}
			if all, err := p.server.Tokens.List(t.Context(), id); err != nil || len(all) != 2 || all[0].Epoch != all[1].Epoch {
				t.Errorf("%+v, %v", all, err)
			}
			if _, err := p.server.Accounts.ResetPassword(t.Context(), link, better, home); err != nil {
				t.Errorf("a link to reset a password: %v", err)
			}
			p.person(t).signsIn("Django", forgetful, better)
		})
		t.Run("the fallback is gone, done in both", func(t *testing.T) {
			p.rotate(t, newSecret)
			for _, b := range append(first["Django"], first["Cloakroom"]...) {
				b.again(t).is(name)
			}
			unused.again(t).isAnonymous()
			if used, unused := p.withHeader(t, p.url, "/api/me", "Bearer "+tokens[0]), p.withHeader(t, p.url, "/api/me", "Bearer "+tokens[1]); used != name || unused != "" {
				t.Errorf("a token that was used meanwhile opens %q, one that was not %q", used, unused)
			}
		})
		t.Run("nothing else has changed", func(t *testing.T) { p.unchanged(t, before) })
	})
}

// personal creates a personal token.
func (p *pair) personal(t testing.TB, id string) (text string) {
	t.Helper()
	owner, err := p.server.Accounts.Store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err = p.server.Tokens.Create(t.Context(), token.Params{User: id, Epoch: owner.Epoch, Kind: token.Personal, Name: "script"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// renewedByDjango reads the session in Django first, which gives it another session key.
func (p *pair) renewedByDjango(t *testing.T, b *person, name string) {
	t.Helper()
	old := b.key()
	if status := b.django.Do(t, "GET", "/me", nil, nil); status != http.StatusOK {
		t.Fatalf("Django: %d", status)
	}
	if b.key() == old || p.row(t, old) != "" {
		t.Fatal("Django has not renewed the session")
	}
	var got map[string]json.RawMessage
	if status := b.ours.Do(t, "GET", "/values", nil, &got); status != http.StatusOK {
		t.Fatalf("Cloakroom: %d", status)
	}
	same(t, got, strange)
	b.is(name)
	p.isUnder(t, b, newSecret, name)
}

// renewedHere reads the session in Cloakroom first, which keeps its session key.
func (p *pair) renewedHere(t *testing.T, b *person, name string) {
	t.Helper()
	old := b.key()
	if status := b.ours.Do(t, "GET", "/api/me", nil, nil); status != http.StatusOK {
		t.Fatalf("Cloakroom: %d", status)
	}
	p.isUnder(t, b, newSecret, name)
	var got map[string]json.RawMessage
	if status := b.django.Do(t, "GET", "/session", nil, &got); status != http.StatusOK {
		t.Fatalf("Django: %d", status)
	}
	same(t, got, strange)
	b.is(name)
	if b.key() != old {
		t.Error("Django has found something to renew")
	}
}

// isUnder checks that a secret key has signed the session and made its hash of the password column.
func (p *pair) isUnder(t *testing.T, b *person, key, name string) {
	t.Helper()
	data, _, _ := strings.Cut(p.row(t, b.key()), " ")
	text, _, _, err := django.Keys{key}.Open(data)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	var in struct {
		Hash string `json:"_auth_user_hash"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil || in.Hash != django.AuthHash(key, p.encoded(t, name)) {
		t.Errorf("%s, %v", text, err)
	}
}

// resetLinks returns the reset tokens that Django and Cloakroom make under a secret key.
func (p *pair) resetLinks(t testing.TB, name, id, key string) map[string]string {
	t.Helper()
	var theirs string
	p.site.Run(t, "reset_token", map[string]any{"name": name}, &theirs)
	return map[string]string{"Django": theirs, "Cloakroom": django.ResetTokens{Keys: django.Keys{key}}.New(p.account(t, id), time.Now())}
}

// takes checks that both programs accept the tokens.
func (p *pair) takes(t *testing.T, links map[string]string, name, id string) {
	for made, token := range links {
		if !(django.ResetTokens{Keys: django.Keys{newSecret, secret}}).Valid(p.account(t, id), token, time.Now()) {
			t.Errorf("Cloakroom refuses what %s has made", made)
		}
		var ok bool
		p.site.Run(t, "check_reset", map[string]any{"name": name, "token": token}, &ok)
		if !ok {
			t.Errorf("Django refuses what %s has made", made)
		}
	}
}

// account loads a user from Django's tables.
func (p *pair) account(t testing.TB, id string) *account.User {
	t.Helper()
	u, err := p.server.Accounts.Store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

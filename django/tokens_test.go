package django_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/django"
	"github.com/cloakroom-auth/cloakroom/token"
)

// with returns the username in a site's response to GET /me or /api/me with a token; "" if the token is refused.
func (p *pair) with(t testing.TB, base, path, text string) string {
	t.Helper()
	return p.withHeader(t, base, path, "Token "+text)
}

func (p *pair) withHeader(t testing.TB, base, path, authorization string) string {
	t.Helper()
	r, err := http.NewRequest("GET", base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	b := p.site.Browser(t)
	var who seen
	if status := b.Send(t, r, &who); status != http.StatusOK {
		return ""
	}
	return who.Username
}

// opens checks that both sites accept a token of REST framework's for this user, or refuse it if name is empty.
func (p *pair) opens(t testing.TB, text, name string) {
	t.Helper()
	if got := p.with(t, p.url, "/api/me", text); got != name {
		t.Errorf("Cloakroom takes %s for %q, want %q", text, got, name)
	}
	if got := p.with(t, p.site.URL, "/me", text); got != name {
		t.Errorf("Django takes %s for %q, want %q", text, got, name)
	}
}

func TestTokensOfRESTFrameworkAreShared(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, id := p.user(t)
		obtain := func() string {
			var out struct{ Token string }
			status := p.person(t).ours.Do(t, "POST", "/api-token-auth/", map[string]any{"username": name, "password": good}, &out)
			if status != http.StatusOK {
				t.Fatal(status)
			}
			return out.Token
		}
		t.Run("made in Cloakroom", func(t *testing.T) {
			text := obtain()
			p.opens(t, text, name)
			var theirs string
			p.site.Run(t, "token", map[string]any{"name": name}, &theirs)
			if again := obtain(); again != text || theirs != text {
				t.Errorf("the token was %s, then %s, and at Django %s", text, again, theirs)
			}
		})
		t.Run("ended in Cloakroom", func(t *testing.T) {
			text := obtain()
			all, err := p.server.Tokens.List(t.Context(), id)
			if err != nil || len(all) != 1 || all[0].Kind != token.DRF || time.Since(all[0].CreatedAt) > time.Minute {
				t.Fatalf("%+v, %v", all, err)
			}
			if err := p.server.Tokens.Revoke(t.Context(), id, all[0].ID); err != nil {
				t.Fatal(err)
			}
			p.opens(t, text, "")
		})
		t.Run("made and ended in Django", func(t *testing.T) {
			var text string
			p.site.Run(t, "token", map[string]any{"name": name}, &text)
			p.opens(t, text, name)
			p.site.Run(t, "drop_token", map[string]any{"name": name}, nil)
			p.opens(t, text, "")
		})
		t.Run("of a disabled user", func(t *testing.T) {
			text := obtain()
			p.site.Run(t, "set_active", map[string]any{"name": name, "active": false}, nil)
			p.opens(t, text, "")
			p.site.Run(t, "set_active", map[string]any{"name": name, "active": true}, nil)
			p.opens(t, text, name)
		})
		t.Run("after a password change in Django", func(t *testing.T) {
			text := obtain()
			p.site.Run(t, "set_password", map[string]any{"name": name, "password": better}, nil)
			p.opens(t, text, name) // as Django has it
		})
		for _, text := range []string{"", "x", strings.Repeat("a", 40), strings.Repeat("A", 40), strings.Repeat("a", 64)} {
			p.opens(t, text, "")
		}
	})
}

// Such a token outlives the password. So if its creation overlaps with a password change or the deletion of the user, no
// token may be created, and an existing one may not be returned.
func TestATokenIsNotCreatedUnderAnOldPassword(t *testing.T) {
	t.Attr("threat", "W03")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		p := newPair(t, database, nil)
		name, id := p.user(t)
		knoxTable(t, database, name, strings.Repeat("9f4b", 16))
		p.start()
		accounts := p.server.Accounts
		load := func() *account.User {
			u, err := accounts.Store.Load(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		make := func(u *account.User, kind token.Kind) error {
			_, _, err := p.server.Tokens.Create(t.Context(), token.Params{User: u.ID, Epoch: u.Epoch, Kind: kind})
			return err
		}
		for _, kind := range []token.Kind{token.DRF, token.Knox} {
			before := load()
			for name, end := range map[string]func() error{
				"the password has changed": func() error { return accounts.SetPassword(t.Context(), id, better) },
				"the user is disabled":     func() error { return accounts.SetActive(t.Context(), id, false) },
			} {
				if err := accounts.SetActive(t.Context(), id, true); err != nil {
					t.Fatal(err)
				}
				verified := load()
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if err := make(verified, kind); !errors.Is(err, token.ErrEpochChanged) {
					t.Errorf("%s, and %s: %v", kind, name, err)
				}
			}
			if err := accounts.SetActive(t.Context(), id, true); err != nil {
				t.Fatal(err)
			}
			if err := make(load(), kind); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if err := make(before, kind); !errors.Is(err, token.ErrEpochChanged) { // REST framework's is there now, and would be handed out again
				t.Errorf("%s, of the first password: %v", kind, err)
			}
		}
		last := load()
		if err := accounts.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []token.Kind{token.DRF, token.Knox} {
			if err := make(last, kind); !errors.Is(err, token.ErrEpochChanged) {
				t.Errorf("%s, of a deleted user: %v", kind, err)
			}
		}
	})
}

// Debian has no package of knox, so the test creates its table and reads it directly.
func TestTokensOfKnoxAreInItsTable(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		p := newPair(t, database, nil)
		name, id := p.user(t)
		theirs := strings.Repeat("9f4b", 16)
		knoxTable(t, database, name, theirs)
		p.start() // it is there from now on
		open := func(text, want string) {
			t.Helper()
			if got := p.with(t, p.url, "/api/me", text); got != want {
				t.Errorf("%s is %q, want %q", text, got, want)
			}
		}
		open(theirs, name)
		u, err := p.server.Accounts.Store.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		create := func(limit int, ttl time.Duration) (string, error) {
			text, _, err := p.server.Tokens.Create(t.Context(), token.Params{User: id, Epoch: u.Epoch, Kind: token.Knox, TTL: ttl, Limit: limit})
			return text, err
		}
		text, err := create(2, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		open(text, name)
		if got, want := dump(t, p.raw(t), `SELECT digest, token_key FROM knox_authtoken WHERE expiry IS NOT NULL`), knoxDigest(text)+"|"+text[:15]+"|\n"; got != want {
			t.Errorf("knox has\n%swant\n%s", got, want)
		}
		if _, err := create(2, time.Hour); !errors.Is(err, token.ErrLimit) {
			t.Errorf("a token too many: %v", err)
		}
		if all, err := p.server.Tokens.List(t.Context(), id); err != nil || len(all) != 2 {
			t.Errorf("%d tokens, %v", len(all), err)
		}
		personal, _, err := p.server.Tokens.Create(t.Context(), token.Params{User: id, Epoch: u.Epoch, Kind: token.Personal, Name: "script"})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := p.server.Tokens.RevokeAll(t.Context(), id, token.Knox); n != 2 || err != nil {
			t.Errorf("%d ended, %v", n, err)
		}
		open(text, "")
		open(theirs, "")
		if _, err := p.server.Tokens.Check(t.Context(), personal, token.Personal); err != nil {
			t.Errorf("a token of ours has ended with knox's: %v", err)
		}
		if _, err := create(0, time.Second); err != nil {
			t.Fatal(err)
		}
		if n, err := p.server.Tokens.Store.DeleteExpired(t.Context(), time.Now().Add(time.Hour).Unix(), 10); n != 1 || err != nil {
			t.Errorf("%d expired, %v", n, err)
		}
		if err := p.server.Accounts.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}

// Before 5.0, knox used other hashes and a shorter column.
func TestTokensOfAnOldKnoxAreLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		database := address(t)
		p := newPair(t, database, nil)
		text := strings.Repeat("9f4b", 16)
		for _, columns := range []string{
			`token_key varchar(8) NOT NULL`, `token_key varchar(8) NOT NULL, salt varchar(16) NULL`, `token_key varchar(25) NOT NULL, salt varchar(16) NULL`,
		} {
			name, id := p.user(t)
			p.execute(t, `CREATE TABLE knox_authtoken (digest varchar(128) NOT NULL PRIMARY KEY, created `+timeType(database)+` NOT NULL,
				user_id integer NOT NULL REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED, expiry `+timeType(database)+` NULL, `+columns+`)`)
			p.execute(t, `INSERT INTO knox_authtoken (digest, created, user_id, token_key) SELECT '`+knoxDigest(text)+`', '2026-01-02 03:04:05', id, '9f4b9f4b'
				FROM auth_user WHERE username = '`+name+`'`)
			p.start()
			if got := p.with(t, p.url, "/api/me", text); got != "" {
				t.Errorf("%s: it is %q's", columns, got)
			}
			u, err := p.server.Accounts.Store.Load(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			ours, _, err := p.server.Tokens.Create(t.Context(), token.Params{User: id, Epoch: u.Epoch, Kind: token.Knox})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.with(t, p.url, "/api/me", ours); got != name {
				t.Errorf("%s: a token of ours is %q's", columns, got)
			}
			from := opened(t, django.Config{Database: database, Keys: keys})
			found, err := from.Inspect(t.Context(), time.Now().Unix())
			if err != nil || !strings.Contains(fmt.Sprint(found), "knox_authtoken has another layout than the supported one of knox (5.0 and later)") {
				t.Errorf("%s: %v, %v", columns, found, err)
			}
			if r := imported(t, target(t, ""), from); r.Tokens != 0 || len(r.Problems) != 1 {
				t.Errorf("%s: %+v", columns, r)
			}
			if err := p.server.Accounts.Delete(t.Context(), id); err != nil {
				t.Errorf("%s: %v", columns, err)
			}
			p.execute(t, `DROP TABLE knox_authtoken`)
		}
	})
}

// A user of REST framework has one token. Clients that ask for the first one at the same time all get it.
func TestTheFirstTokenIsMadeOnce(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		for range 5 {
			_, id := p.user(t)
			u := p.account(t, id)
			texts := make([]string, 8)
			var group sync.WaitGroup
			for n := range texts {
				group.Go(func() {
					var err error
					texts[n], _, err = p.server.Tokens.Create(t.Context(), token.Params{User: u.ID, Epoch: u.Epoch, Kind: token.DRF})
					if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if slices.ContainsFunc(texts, func(text string) bool { return text == "" || text != texts[0] }) {
				t.Errorf("clients got %q", texts)
			}
		}
	})
}

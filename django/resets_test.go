package django_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

var home = netip.MustParseAddr("198.51.100.7")

func TestAResetLinkIsGoodOnceAndDjangoKnowsTheNewPassword(t *testing.T) {
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		name, id := p.user(t)
		b := p.person(t)
		b.signsIn("Django", name, good)
		accounts := p.server.Accounts
		secret := func() string {
			secret, _, err := accounts.ResetSecret(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		void := func(why, secret string) {
			t.Helper()
			if _, err := accounts.ResetPassword(t.Context(), secret, better, home); !errors.Is(err, account.SpentErrors.Reset) {
				t.Errorf("%s: %v", why, err)
			}
		}
		first := secret()
		second := secret()
		void("a secret that a newer one has voided", first)
		void("an unknown secret", "x"+second)
		p.site.Run(t, "set_hash", map[string]any{"name": name, "encoded": pbkdf2(good, 1000)}, nil)
		void("a secret from before a change of the password in Django", second)
		third := secret()
		if err := accounts.RevokeAll(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		void("a secret from before everything was ended", third)
		fourth := secret()
		before := p.encoded(t, name)
		if _, err := accounts.ResetPassword(t.Context(), fourth, better, home); err != nil {
			t.Fatal(err)
		}
		void("a secret that has been used", fourth)
		if now := p.encoded(t, name); parameters(now) != parameters(before) || now == before {
			t.Errorf("the hash was %s and is %s", before, now)
		}
		b.isAnonymous()
		b.signsIn("Cloakroom", name, better)
		b.is(name)
	})
}

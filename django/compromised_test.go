package django_test

import (
	"errors"
	"net/http"
	"regexp"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// unusable is what Django's make_password(None) makes.
var unusable = regexp.MustCompile(`^![A-Za-z0-9]{40}$`)

// TestACompromisedAccountIsClosedInDjangoToo in the step that writes: also what no epoch ends, the tokens in Django's tables.
func TestACompromisedAccountIsClosedInDjangoToo(t *testing.T) {
	t.Attr("threat", "X10")
	each(t, func(t *testing.T, address func(t testing.TB) string) {
		p := newPair(t, address(t), nil)
		for _, disabled := range []bool{false, true} {
			name, id := p.user(t)
			theirs, ours := p.person(t), p.person(t)
			theirs.signsIn("Django", name, good)
			ours.signsIn("Cloakroom", name, good)
			personal := p.personal(t, id)
			var token string
			p.site.Run(t, "token", map[string]any{"name": name}, &token)
			p.opens(t, token, name)
			accounts := p.server.Accounts
			before, _, err := accounts.ResetSecret(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if disabled {
				p.site.Run(t, "set_active", map[string]any{"name": name, "active": false}, nil)
			}

			secret, _, err := accounts.DeclareCompromised(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if disabled {
				if u, err := accounts.Store.Load(t.Context(), id); err != nil || u.IsActive {
					t.Errorf("the user was enabled: %+v, %v", u, err)
				}
				if err := accounts.SetActive(t.Context(), id, true); err != nil {
					t.Fatal(err)
				}
			}
			if encoded := p.encoded(t, name); !unusable.MatchString(encoded) {
				t.Errorf("Django's table has the hash %q", encoded)
			}
			theirs.isAnonymous()
			ours.isAnonymous()
			p.opens(t, token, "")
			if who := p.withHeader(t, p.url, "/api/me", "Bearer "+personal); who != "" {
				t.Errorf("a personal token opens %q", who)
			}
			for _, at := range []string{"Django", "Cloakroom"} {
				if status := p.person(t).signIn(at, name, good); status == http.StatusOK {
					t.Errorf("the former password passes at %s", at)
				}
			}
			if _, err := accounts.ResetPassword(t.Context(), before, better, home); !errors.Is(err, account.SpentErrors.Reset) {
				t.Errorf("a link from before: %v", err)
			}
			if _, err := accounts.ResetPassword(t.Context(), secret, better, home); err != nil {
				t.Fatal(err)
			}
			p.person(t).signsIn("Django", name, better)
			p.person(t).signsIn("Cloakroom", name, better)
			p.opens(t, token, "")
		}
	})
}

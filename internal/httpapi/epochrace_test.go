package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// actBetween is an account store that runs act between the check of a request's session and the next load of its account.
type actBetween struct {
	account.Store
	loads int
	act   func()
}

func (b *actBetween) Load(ctx context.Context, id string) (*account.User, error) {
	if isBesides(ctx) {
		return b.Store.Load(ctx, id)
	}
	if b.loads++; b.loads == 2 {
		b.act()
	}
	return b.Store.Load(ctx, id)
}

// TestASessionThatEndsDuringAReauthenticationStaysEnded: a re-authentication or password change that is under way can't revive a
// session that an administrator ends.
func TestASessionThatEndsDuringAReauthenticationStaysEnded(t *testing.T) {
	for path, body := range map[string]map[string]any{
		"/api/auth/reauthenticate":  {"password": goodPassword},
		"/api/auth/password/change": {"current_password": goodPassword, "new_password": "quite another phrase"},
	} {
		t.Run(path, func(t *testing.T) {
			var b *actBetween
			s := start(t, options{stores: func(t *testing.T) stores {
				st := inMemory(t)
				b = &actBetween{Store: st.Accounts}
				st.Accounts = b
				return st
			}})
			u := s.user("ada")
			c := s.signedIn("ada")
			b.loads, b.act = 0, func() {
				if err := s.api.Accounts.RevokeAll(context.Background(), u.ID); err != nil {
					t.Error(err)
				}
			}
			if r := c.send("POST", path, body); r.StatusCode != http.StatusUnauthorized || r.code() != "session_ended" {
				t.Errorf("got %d %s", r.StatusCode, r.body)
			}
			if r := c.send("GET", "/api/me", nil); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("afterwards: got %d %s", r.StatusCode, r.body)
			}
		})
	}
}

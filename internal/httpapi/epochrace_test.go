package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
)

// between runs a deed between the check of a request's session and the next look at its account.
type between struct {
	account.Store
	loads int
	deed  func()
}

func (b *between) Load(ctx context.Context, id string) (*account.User, error) {
	if b.loads++; b.loads == 2 {
		b.deed()
	}
	return b.Store.Load(ctx, id)
}

// A session that an administrator ends after its check must not come back through the re-authentication or password
// change that was under way.
func TestASessionThatEndsDuringAReauthenticationStaysEnded(t *testing.T) {
	for path, body := range map[string]map[string]any{
		"/api/auth/reauthenticate":  {"password": goodPassword},
		"/api/auth/password/change": {"current_password": goodPassword, "new_password": "quite another phrase"},
	} {
		t.Run(path, func(t *testing.T) {
			var b *between
			s := start(t, options{stores: func(t *testing.T) stores {
				st := inMemory(t)
				b = &between{Store: st.Accounts}
				st.Accounts = b
				return st
			}})
			u := s.user("ada")
			c := s.signedIn("ada")
			b.loads, b.deed = 0, func() {
				if err := s.api.Accounts.RevokeAll(context.Background(), u.ID); err != nil {
					t.Error(err)
				}
			}
			if r := c.send("POST", path, body); r.StatusCode != http.StatusUnauthorized || r.code() != "session_ended" {
				t.Errorf("%d %s", r.StatusCode, r.body)
			}
			if r := c.send("GET", "/api/me", nil); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("afterwards: %d %s", r.StatusCode, r.body)
			}
		})
	}
}

package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/token"
)

// ownJWTs is the verification of a program: it knows the tokens of a table.
type ownJWTs map[string]func() (*token.Claims, error)

func (j ownJWTs) Authenticate(_ context.Context, text string) (*token.Claims, error) {
	return j[text]()
}
func (ownJWTs) Issues(issuer string) bool { return issuer == "https://issuer.example" }

func TestAProgramMayBringItsOwnJWTs(t *testing.T) {
	var ann *account.User
	tokens := ownJWTs{
		"good":    func() (*token.Claims, error) { return &token.Claims{User: ann.ID, Epoch: ann.Epoch}, nil },
		"former":  func() (*token.Claims, error) { return &token.Claims{User: ann.ID, Epoch: "an earlier one"}, nil },
		"foreign": func() (*token.Claims, error) { return nil, fmt.Errorf("wrong key: %w", token.ErrInvalid) },
		"ended":   func() (*token.Claims, error) { return &token.Claims{User: ann.ID, Epoch: ann.Epoch}, token.ErrInvalid },
		"outage":  func() (*token.Claims, error) { return nil, errors.New("no keys") },
		"nothing": func() (*token.Claims, error) { return nil, nil },
	}
	a := newApp(t, func(c *auth.Config) { c.JWTs = tokens })
	ann = a.user(account.User{Username: "ann"})
	for text, want := range map[string]string{
		"good": "", "former": "token_not_valid", "foreign": "token_not_valid", "ended": "token_not_valid", "nothing": "token_not_valid",
		"outage": "no keys",
	} {
		a.serveHeader("Bearer "+text, func(r *http.Request) {
			i, err := auth.Identify(r.Context())
			if want == "" && err == nil && i.User.ID == ann.ID && i.JWT.User == ann.ID {
				return
			}
			if want == "" || i != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got %+v, %v; want %q", text, i, err, want)
			}
		})
	}
}

package auth

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/password"
	"github.com/cloakroom-auth/cloakroom/token"
)

const (
	maxPersonal     = 100 // tokens of one user
	maxPersonalName = 100 // characters
)

// PersonalTokenOptions describes a personal token to create.
type PersonalTokenOptions struct {
	Name      string
	Scopes    []string      // permissions that the owner has; empty: everything that the owner may do
	TTL       time.Duration // from a second to token.MaxTTL; 0: never expires. The HTTP API gives token.DefaultTTL unless it is asked for another
	IP, Agent string        // of the client that requests it
}

// NewPersonalToken creates a personal token for its owner, and returns its text, which is not stored. *[account.InvalidError],
// [token.ErrLimit].
func (a *Resolver) NewPersonalToken(ctx context.Context, owner *account.User, p PersonalTokenOptions) (string, *token.Token, error) {
	p.Name = strings.TrimSpace(p.Name)
	wrong := map[string][]password.Problem{}
	add := func(field, code, message string) {
		wrong[field] = append(wrong[field], password.Problem{Code: code, Message: message})
	}
	switch {
	case p.Name == "":
		add("name", "blank", "This field may not be blank.")
	case utf8.RuneCountInString(p.Name) > maxPersonalName:
		add("name", "max_length", fmt.Sprintf("Ensure this field has no more than %d characters.", maxPersonalName))
	case !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, unicode.IsControl):
		add("name", "invalid", "Control characters are not allowed.")
	}
	if p.TTL < 0 || p.TTL > token.MaxTTL || (p.TTL > 0 && p.TTL < time.Second) {
		add("ttl", "invalid", "A token lives from a second to ten years, or with 0 for ever.")
	}
	for _, scope := range p.Scopes {
		if !owner.MayDelegate(scope) {
			add("scopes", "invalid_choice", fmt.Sprintf("%q is no permission that %s has.", scope, owner.Username))
		}
	}
	if len(wrong) > 0 {
		return "", nil, &account.InvalidError{Fields: wrong}
	}
	return a.c.Tokens.Create(ctx, token.Params{
		User: owner.ID, Epoch: owner.Epoch, Kind: token.Personal, Name: p.Name, Scopes: p.Scopes, TTL: p.TTL,
		Limit: maxPersonal, IP: p.IP, Agent: p.Agent,
	})
}

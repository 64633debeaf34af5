package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-auth/cloakroom/internal/basicauth"
	"github.com/cloakroom-auth/cloakroom/token"
)

// credential is what a request is authenticated by instead of its session.
type credential interface {
	// identify returns the identity that it proves, a refusal, or an outage.
	identify(ctx context.Context, a *Resolver) (*Identity, error)
	sentByBrowsers() bool
}

// credential returns the credential in the Authorization header; nil if it has none that is accepted here.
func (a *Resolver) credential(r *http.Request) credential {
	lines := r.Header["Authorization"]
	for _, line := range lines {
		c := a.parse(r, line)
		if c == nil {
			continue
		}
		if len(lines) > 1 {
			return refused{errTwoCredentials}
		}
		return c
	}
	return nil
}

func (a *Resolver) parse(r *http.Request, line string) credential {
	words := strings.FieldsFunc(line, blank)
	if len(words) == 0 {
		return nil
	}
	switch strings.ToLower(words[0]) {
	case "token":
		if a.c.Tokens != nil {
			return opaque(words[1:])
		}
	case "bearer":
		return a.bearer(words)
	case "basic":
		if a.c.Basic != nil {
			return basic{r, line}
		}
	}
	return nil
}

// blank reports whether a character is white space for Python's bytes.split, and so for Django REST framework.
func blank(r rune) bool { return strings.ContainsRune(" \t\n\r\v\f", r) }

// refused is a credential that is malformed.
type refused struct{ err error }

func (c refused) identify(context.Context, *Resolver) (*Identity, error) { return nil, c.err }
func (refused) sentByBrowsers() bool                                     { return false }

// opaque returns the credential of "Authorization: Token", with the refusals of Django REST framework's TokenAuthentication.
func opaque(words []string) credential {
	switch {
	case len(words) == 0:
		return refused{badToken("Invalid token header. No credentials provided.")}
	case len(words) > 1:
		return refused{badToken("Invalid token header. Token string should not contain spaces.")}
	case !utf8.ValidString(words[0]):
		return refused{badToken("Invalid token header. Token string should not contain invalid characters.")}
	}
	return opaqueToken{words[0], "Token", []token.Kind{token.DRF, token.Knox}}
}

// personalPrefix is the prefix of personal tokens. No JWT begins with it.
const personalPrefix = "cloak_"

// bearer returns the credential of "Authorization: Bearer" (RFC 6750), with the refusals of simplejwt, which compares the
// scheme case-sensitively.
func (a *Resolver) bearer(words []string) credential {
	switch {
	case a.c.Tokens == nil && a.c.JWTs == nil:
		return nil
	case len(words) != 2:
		return refused{errBearerHeader}
	case a.c.JWTs == nil || a.c.Tokens != nil && strings.HasPrefix(words[1], personalPrefix):
		return opaqueToken{words[1], bearerChallenge, []token.Kind{token.Personal}}
	case words[0] != "Bearer":
		return nil
	}
	return webToken{words[1]}
}

// opaqueToken is a token of package token.
type opaqueToken struct {
	text, challenge string
	kinds           []token.Kind
}

func (opaqueToken) sentByBrowsers() bool { return false }

func (c opaqueToken) identify(ctx context.Context, a *Resolver) (*Identity, error) {
	tokens := a.c.Tokens
	t, err := tokens.Check(ctx, c.text, c.kinds...)
	if errors.Is(err, token.ErrInvalid) {
		return nil, challenged(c.challenge, "Invalid token.")
	}
	if err != nil {
		return nil, err
	}
	u, err := a.load(ctx, t.User)
	if errors.Is(err, errNoAccount) {
		return nil, challenged(c.challenge, "User inactive or deleted.")
	}
	if err != nil {
		return nil, err
	}
	if t.Epoch != u.Epoch {
		return nil, challenged(c.challenge, "Invalid token.")
	}
	tokens.Use(ctx, t)
	return &Identity{User: u, Method: string(t.Kind), Token: t, AuthenticatedAt: t.CreatedAt}, nil
}

// basicTimeout bounds what the verification of a password waits for, such as a free processor.
const basicTimeout = 5 * time.Second

// basic is an Authorization header with the scheme Basic.
type basic struct {
	r    *http.Request
	line string
}

func (basic) sentByBrowsers() bool { return true }

func (c basic) identify(ctx context.Context, a *Resolver) (*Identity, error) {
	login, password, err := basicauth.Parse(c.line)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, basicTimeout)
	defer cancel()
	u, err := a.c.Basic(c.r.WithContext(ctx), login, password)
	if err != nil {
		return nil, err
	}
	return &Identity{User: u, Method: "basic", AuthenticatedAt: time.Now()}, nil
}

// reloadBasic returns the user whose password was verified for this request, as the account is now.
func (q *request) reloadBasic(ctx context.Context, a *Resolver) (*Identity, error) {
	before := q.identity
	u, err := a.load(ctx, before.User.ID)
	if errors.Is(err, errNoAccount) || err == nil && u.Epoch != before.User.Epoch {
		return nil, errPasswordChanged
	}
	if err != nil {
		return nil, err
	}
	return &Identity{User: u, Method: before.Method, AuthenticatedAt: before.AuthenticatedAt}, nil
}

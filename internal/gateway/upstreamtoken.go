package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/session"
)

// Tokens has the access tokens of other providers, at which sessions were begun.
type Tokens interface {
	// Ready returns the value of the header Authorization for a session that was just checked, if it is in memory; else nil. It is not
	// changed.
	Ready(of *session.Session, provider string) []string

	// Header is Ready, and reads or renews the token if need be. ErrNoToken if the session has none of this provider, and
	// ErrProviderAway if it can't be renewed just now. Any other error is an outage.
	Header(ctx context.Context, of *session.Session, provider string) ([]string, error)
}

// Errors of [Tokens].
var (
	ErrNoToken = problem.New(http.StatusForbidden, "provider_token_missing",
		"This address needs a sign-in through its provider, and this session has none that is still good. Sign out, and sign in through the provider.")
	ErrProviderAway = problem.New(http.StatusBadGateway, "provider_unavailable",
		"The provider of this address doesn't answer just now. Try again later. You are still signed in.")
)

// tokenTime bounds how long a request waits for a token that must be read or renewed.
const tokenTime = 20 * time.Second

// openTokens reads which upstreams get the tokens of which providers, as PREFIX=NAME. The prefix is that of an upstream, so that no path
// is read in two ways to decide it.
func (g *Gateway) openTokens(texts []string) error {
	for _, text := range texts {
		prefix, provider, ok := strings.Cut(text, "=")
		path, err := plainPath(prefix)
		if !ok || err != nil || provider == "" {
			return fmt.Errorf("%q: want PREFIX=NAME, such as /api=google", text)
		}
		path = strings.TrimSuffix(path, "/")
		i := slices.IndexFunc(g.upstreams, func(u *upstream) bool { return u.prefix == path })
		if i < 0 {
			return fmt.Errorf("%q: none of Config.Upstreams has the prefix %q: name one, or / for the one without a prefix", text, prefix)
		}
		if g.upstreams[i].provider != "" {
			return fmt.Errorf("%q: the upstream has a provider already", text)
		}
		g.upstreams[i].provider = provider
	}
	return nil
}

// attach finds the token that the upstream gets. A caller who must wait for it is checked again afterwards, since the session may
// have ended meanwhile. An upstream with a token is for sessions alone, whatever the rules say.
func (x *exchange) attach(r *http.Request) (err error) {
	if x.u.provider == "" {
		return nil
	}
	switch {
	case x.who == nil:
		return auth.ErrNotAuthenticated
	case x.who.Session == nil:
		return ErrNoToken
	}
	g := x.u.g
	if x.authorization = g.c.Tokens.Ready(x.who.Session, x.u.provider); x.authorization != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), tokenTime)
	defer cancel()
	value, err := g.c.Tokens.Header(ctx, x.who.Session, x.u.provider)
	if caller, again := g.readmit(r, x.caller); again != nil {
		return again
	} else if x.caller = caller; caller.who == nil {
		return auth.ErrSessionEnded
	}
	if again := x.checkExpressible(); again != nil {
		return again
	}
	if errors.Is(err, session.ErrEnded) {
		return auth.ErrSessionEnded
	}
	x.authorization = value
	return err
}

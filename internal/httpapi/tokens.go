package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/admin"
	"github.com/cloakroom-auth/cloakroom/token"
)

// tokenOut is the JSON of a token. Only the response that creates the token has its text.
type tokenOut struct {
	admin.Token
	Text string `json:"token,omitempty"`
}

type tokensOut struct {
	Tokens []admin.Token `json:"tokens"`
}

// listTokens lists the caller's tokens of all kinds, without those that a change of the epoch has ended.
func listTokens(c *call, _ none) (tokensOut, error) {
	return c.tokensOf(c.who.User)
}

func (c *call) tokensOf(u *account.User) (tokensOut, error) { return c.api.tokensOf(c.ctx(), u) }

func (a *API) tokensOf(ctx context.Context, u *account.User) (tokensOut, error) {
	all, err := a.Tokens.List(ctx, u.ID)
	if err != nil {
		return tokensOut{}, err
	}
	out := tokensOut{Tokens: []admin.Token{}}
	for _, t := range all {
		if t.Epoch == u.Epoch {
			out.Tokens = append(out.Tokens, admin.NewToken(t))
		}
	}
	return out, nil
}

type createTokenIn struct {
	Name   *string   `json:"name"`
	Scopes *[]string `json:"scopes"`
	TTL    *int64    `json:"ttl"`
}

// createToken creates a personal token. Its scopes are permissions that its owner has. Without scopes it has all of its owner's
// permissions.
func createToken(c *call, in createTokenIn) (tokenOut, error) {
	if err := required(map[string]*string{"name": in.Name}); err != nil {
		return tokenOut{}, err
	}
	p := auth.PersonalTokenOptions{Name: *in.Name, TTL: token.DefaultTTL, IP: addressText(c.address()), Agent: agent(c.r)}
	if in.Scopes != nil {
		p.Scopes = *in.Scopes
	}
	if in.TTL != nil {
		p.TTL = seconds(*in.TTL)
	}
	text, t, err := c.api.Auth.NewPersonalToken(c.ctx(), c.who.User, p)
	if err != nil {
		return tokenOut{}, err
	}
	c.undoIfEnded(func(ctx context.Context) error { return c.api.Tokens.Revoke(ctx, t.User, t.ID) })
	return tokenOut{admin.NewToken(t), text}, nil
}

// seconds returns n seconds. It limits n so that the duration can't overflow.
func seconds(n int64) time.Duration {
	const most = int64(2 * token.MaxTTL / time.Second)
	return time.Duration(min(max(n, -1), most)) * time.Second
}

func endToken(c *call, _ none) (none, error) {
	return none{}, c.api.Tokens.Revoke(c.ctx(), c.who.User.ID, c.r.PathValue("id"))
}

// maxAgent is the largest stored length of a User-Agent, in bytes.
const maxAgent = 512

func agent(r *http.Request) string {
	a := strings.ToValidUTF8(r.UserAgent(), "\uFFFD")
	if len(a) > maxAgent {
		a = strings.ToValidUTF8(a[:maxAgent], "")
	}
	return a
}

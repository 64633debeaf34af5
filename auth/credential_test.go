package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-auth/cloakroom/account"
	"github.com/cloakroom-auth/cloakroom/auth"
	"github.com/cloakroom-auth/cloakroom/internal/problem"
	"github.com/cloakroom-auth/cloakroom/memory"
	"github.com/cloakroom-auth/cloakroom/session"
	"github.com/cloakroom-auth/cloakroom/token"
)

// asked returns the identity of a request with these Authorization headers.
func (a *app) asked(cookie string, lines ...string) (i *auth.Identity, err error) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = lines
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	a.resolver.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		i, err = auth.Identify(r.Context())
		if again, second := auth.Identify(r.Context()); again != i && i != nil && i.Token != nil || (second == nil) != (err == nil) {
			a.t.Errorf("asked again: %v, %v; at first %v, %v", again, second, i, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	return i, err
}

func withTokens(c *auth.Config) { c.Tokens = &token.Service{Store: memory.New().Tokens} }

func (a *app) issue(u *account.User, n token.Params) string {
	a.t.Helper()
	n.User, n.Epoch = u.ID, u.Epoch
	text, _, err := a.tokens.Create(a.t.Context(), n)
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

func TestTheIdentityIsTheTokensOwner(t *testing.T) {
	a := newApp(t, withTokens)
	ann := a.user(account.User{Username: "ann", UserPermissions: []string{"app.read", "app.write"}})
	bob := a.signIn(a.user(account.User{Username: "bob"}), session.SignIn{Fresh: true})
	for kind, scheme := range map[token.Kind]string{token.DRF: "Token", token.Knox: "token", token.Personal: "Bearer"} {
		text := a.issue(ann, token.Params{Kind: kind, Scopes: []string{"app.read"}})
		for _, cookie := range []string{"", bob} {
			i, err := a.asked(cookie, scheme+" "+text)
			if err != nil || i.User.ID != ann.ID || i.Method != string(kind) || i.Session != nil || i.Token == nil || i.Token.Kind != kind || i.Fresh() {
				t.Fatalf("%s: %+v, %v", kind, i, err)
			}
			if !i.Has("app.read") || i.Has("app.write") || !i.AuthenticatedAt.Equal(i.Token.CreatedAt) {
				t.Errorf("%s: %+v", kind, i)
			}
		}
	}
	if i, err := newApp(t).asked("", "Token "+strings.Repeat("0", 40)); i != nil || !errors.Is(err, auth.ErrNotAuthenticated) {
		t.Errorf("where no tokens count: %v, %v", i, err)
	}
}

// downTokens is a store that never answers.
type downTokens struct{ token.Store }

func (downTokens) Load(context.Context, token.ID) (*token.Record, error) { return nil, errOutage }

// TestAnOutageOfTheTokensIsAnOutage checks for 503, since a 401 would make a program throw its token away, and that the
// outage isn't remembered.
func TestAnOutageOfTheTokensIsAnOutage(t *testing.T) {
	a := newApp(t, withTokens)
	text := a.issue(a.user(account.User{Username: "ann"}), token.Params{Kind: token.DRF})
	good := a.tokens.Store
	a.tokens.Store = downTokens{}
	if i, err := a.asked("", "Token "+text); i != nil || !errors.Is(err, errOutage) {
		t.Errorf("%v, %v", i, err)
	}
	a.tokens.Store = good
	a.accounts.err = errOutage
	if i, err := a.asked("", "Token "+text); i != nil || !errors.Is(err, errOutage) {
		t.Errorf("without the accounts: %v, %v", i, err)
	}
	a.accounts.err = nil
	if i, err := a.asked("", "Token "+text); i == nil || err != nil {
		t.Errorf("when they are back: %v, %v", i, err)
	}
}

// FuzzAuthorization checks that a header is accepted only if it has a token that was created, in its own scheme, and that
// everything else is refused with 401.
func FuzzAuthorization(f *testing.F) {
	a := newApp(f, withTokens)
	ann := a.user(account.User{Username: "ann"})
	schemes := map[string]string{
		a.issue(ann, token.Params{Kind: token.DRF}): "token", a.issue(ann, token.Params{Kind: token.Knox}): "token",
		a.issue(ann, token.Params{Kind: token.Personal}): "bearer",
	}
	for text, scheme := range schemes {
		f.Add(scheme + " " + text)
		f.Add(strings.ToUpper(scheme) + "\t" + text + " ")
		f.Add(scheme + " " + text + " x")
		f.Add("Basic " + text)
	}
	f.Add("")
	f.Add("Token")
	f.Add("Bearer \xff")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\n\r\v\f", r) })
		right := len(words) == 2 && schemes[words[1]] != "" && schemes[words[1]] == strings.ToLower(words[0])
		i, err := a.asked("", line)
		if right != (i != nil) || right != (err == nil) {
			t.Fatalf("%q: %+v, %v", line, i, err)
		}
		if p, refused := errors.AsType[*problem.Problem](err); err != nil && (!refused || p.Status != http.StatusUnauthorized) {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
